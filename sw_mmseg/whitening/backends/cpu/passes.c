/* The four passes over the activation on a CPU (Equations 2, 3 and 5, Algorithms 1 and 2), block by block of
 * `blocks.h`.
 *
 * Sums are kept in vectors of fp32 over CHUNK pixels and added in fp64: results do not depend on the number of threads.
 * The shift of `sw_moments` is the mean of a slice's first block, which leaves no cancellation worth the name (x −
 * shift is of the order of the standard deviation). Compiled by build.py; called through ctypes, the interpreter's lock
 * released.
 */
#include "tiles.h"

enum {
    CHUNK = 128 * P, /* pixels that one thread takes at a time: enough to make its partial sums cheap */
    LINE = 16,       /* floats a cache line */
    FAR = 1 << 20    /* values of an output that no second-level cache holds */
};

typedef struct { int64_t n, c, d, l, threads; } shape; /* N, C, D, pixels */

/* what one thread works on: a chunk of pixels of one bundle of one sample */
typedef struct { int64_t n, bundle, channel, begin, end; int rows; } item;

static int64_t bundles(shape s) { return s.d > 1 ? s.c / s.d : (s.c + BUNDLE - 1) / BUNDLE; }
static int64_t chunks(shape s) { return (s.l + CHUNK - 1) / CHUNK; }

static item item_at(shape s, int64_t index) {
    int64_t chunk = index % chunks(s), bundle = index / chunks(s) % bundles(s);
    int64_t width = s.d > 1 ? s.d : BUNDLE, channel = bundle * width;
    return (item){index / chunks(s) / bundles(s), bundle, channel, chunk * CHUNK, least(s.l, (chunk + 1) * CHUNK),
                  (int)least(width, s.c - channel)};
}

/* tiles before the one with row i, in the order of add_products */
static int64_t tiles_before(shape s, int symmetric, int64_t i) {
    int64_t row = i / TI, across = TI / TJ;
    return across * (symmetric ? row * (row + 1) / 2 : row * (round_up(s.d, TI) / TI));
}

/* how many products a bundle has, and where product (i, j) of it stands */
static int64_t products_of(shape s, int symmetric) {
    return s.d == 1 ? BUNDLE : TI * TJ * tiles_before(s, symmetric, round_up(s.d, TI));
}

static int64_t position(shape s, int symmetric, int64_t i, int64_t j) {
    if (s.d == 1) return i;
    return (tiles_before(s, symmetric, i) + j / TJ) * TI * TJ + i % TI * TJ + j % TJ;
}

/* rows of a bundle, and of the tiles that it fills */
static int64_t height(shape s) { return round_up(s.d > 1 ? s.d : BUNDLE, TI); }

/* floats that one thread needs for `reduce`: two blocks, a vector a row, and one a product */
static int64_t reduce_scratch(shape s, int symmetric) {
    return height(s) * (2 * P + W) + products_of(s, symmetric) * W;
}

static void first_block_mean(view x, item it, shape s, row *block, float *shift) {
    int64_t count = least(P, s.l);
    load(x, it.n, it.channel, 0, it.rows, count, NULL, block);
    for (int r = 0; r < it.rows; r++) {
        vec sum = {};
        for (int v = 0; v < V; v++) sum += block[r].v[v];
        shift[r] = lanes(sum) / (float)count;
    }
}

/* Σ a and Σ a (b − shift)ᵀ of one item into partial, sums first; b NULL stands for a itself, shifted */
static void reduce(view a, const view *b, shape s, item it, const float *shift, float *scratch, float *partial) {
    row *left = (row *)scratch, *right = left + height(s);
    vec *sums = (vec *)(right + height(s)), *products = sums + height(s);
    int64_t number = products_of(s, !b);
    memset(sums, 0, (height(s) + number) * sizeof(vec));
    for (int64_t l = it.begin; l < it.end; l += P) {
        int64_t count = least(P, it.end - l);
        int vectors = (int)(round_up(count, W) / W);
        load(a, it.n, it.channel, l, it.rows, count, b ? NULL : shift, left);
        if (b) load(*b, it.n, it.channel, l, it.rows, count, shift, right);
        add_rows(left, b ? right : left, it.rows, vectors, sums, s.d == 1 ? products : NULL);
        if (s.d > 1) add_products(left, b ? right : left, it.rows, vectors, !b, products);
    }
    for (int r = 0; r < it.rows; r++) partial[r] = lanes(sums[r]);
    for (int64_t k = 0; k < number; k++) partial[DMAX + k] = lanes(products[k]);
}

static double over_chunks(const float *partial, int64_t stride, shape s) {
    double sum = 0;
    for (int64_t k = 0; k < chunks(s); k++) sum += partial[k * stride];
    return sum;
}

/* mean and covariance of one bundle from the sums of its chunks, about their shifts */
static void finish_moments(shape s, item it, const float *partial, int64_t stride, const float *shifts, float *mean,
                           float *cov) {
    double offset[DMAX]; /* the mean, seen from the shift */
    int64_t first = it.n * s.c + it.channel;
    for (int r = 0; r < it.rows; r++) {
        offset[r] = over_chunks(partial + r, stride, s) / s.l;
        mean[first + r] = (float)(shifts[first + r] + offset[r]);
    }
    for (int r = 0; r < it.rows; r++) {
        int begin = s.d == 1 ? r : 0; /* channel q, with which r is multiplied: with D = 1 only itself */
        for (int q = begin; q <= r; q++) {
            double square = over_chunks(partial + DMAX + position(s, 1, r, q), stride, s) / s.l;
            float value = (float)(square - offset[r] * offset[q]);
            cov[(first + r) * s.d + q - begin] = value;
            if (s.d > 1) cov[(first + q) * s.d + r] = value;
        }
    }
}

/* x (N, C, L) -> mean (N, C) and covariance (N, C/D, D, D), biased. Returns 0, or 1 without memory. */
EXPORT int sw_moments(view x, shape s, float *mean, float *cov) {
    int64_t items = s.n * bundles(s) * chunks(s), stride = DMAX + products_of(s, 1);
    float *partial = malloc((items * stride + s.n * s.c + 1) * sizeof(float)); /* never of 0 bytes */
    if (!partial) return 1;
    float *shifts = partial + items * stride;
    int failed = 0;
#pragma omp parallel num_threads(s.threads) reduction(| : failed) if (items > 1)
    {
        float *scratch = scratch_of(reduce_scratch(s, 1));
        failed = !scratch;
#pragma omp for schedule(static)
        for (int64_t index = 0; index < items; index++) {
            if (failed) continue;
            item it = item_at(s, index);
            float shift[DMAX];
            first_block_mean(x, it, s, (row *)scratch, shift);
            if (!it.begin) memcpy(shifts + it.n * s.c + it.channel, shift, it.rows * sizeof(float));
            reduce(x, NULL, s, it, shift, scratch, partial + index * stride);
        }
        free(scratch);
    }
    for (int64_t index = 0; index < items && !failed; index += chunks(s))
        finish_moments(s, item_at(s, index), partial + index * stride, stride, shifts, mean, cov);
    free(partial);
    return failed;
}

/* Σ dy -> total (N, C) and Σ dy (x − shift)ᵀ -> product (N, C/D, D, D); shift (N or 1, C), shift_n its stride or 0.
 * Returns 0, or 1 without memory. */
EXPORT int sw_gradient_sums(view dy, view x, shape s, const float *shift, int64_t shift_n, float *total,
                            float *product) {
    int64_t items = s.n * bundles(s) * chunks(s), stride = DMAX + products_of(s, 0);
    float *partial = malloc((items * stride + 1) * sizeof(float)); /* never of 0 bytes */
    if (!partial) return 1;
    int failed = 0;
#pragma omp parallel num_threads(s.threads) reduction(| : failed) if (items > 1)
    {
        float *scratch = scratch_of(reduce_scratch(s, 0));
        failed = !scratch;
#pragma omp for schedule(static)
        for (int64_t index = 0; index < items; index++) {
            if (failed) continue;
            item it = item_at(s, index);
            const float *about = shift ? shift + it.n * shift_n + it.channel : NULL;
            reduce(dy, &x, s, it, about, scratch, partial + index * stride);
        }
        free(scratch);
    }
    for (int64_t index = 0; index < items && !failed; index += chunks(s)) {
        item it = item_at(s, index);
        const float *sums = partial + index * stride;
        int64_t channel = it.n * s.c + it.channel;
        for (int r = 0; r < it.rows; r++) {
            total[channel + r] = (float)over_chunks(sums + r, stride, s);
            for (int q = 0; q < s.d; q++)
                product[(channel + r) * s.d + q] = (float)over_chunks(sums + DMAX + position(s, 0, r, q), stride, s);
        }
    }
    free(partial);
    return failed;
}

/* A term of a transform for one item: the matrix of a group (D, D), transposed if asked, into rows of DMAX floats with
 * zeros in the rows that fill the last tile; with D = 1 the factors of a bundle into one row. `stride` is that of a
 * sample, 0 where one matrix serves all. */
static void load_matrix(const float *matrices, int64_t stride, item it, shape s, int transpose, float *local) {
    const float *matrix = matrices + it.n * stride + it.channel * s.d;
    if (s.d == 1) {
        memcpy(local, matrix, it.rows * sizeof(float));
        return;
    }
    for (int r = 0; r < it.rows; r++)
        for (int q = 0; q < it.rows; q++) local[r * DMAX + q] = transpose ? matrix[q * s.d + r] : matrix[r * s.d + q];
    for (int r = it.rows; r < round_up(it.rows, TI); r++) memset(local + r * DMAX, 0, it.rows * sizeof(float));
}

/* a term's matrices, (N or 1, C/D, D, D), and the stride of a sample, 0 where one serves all */
typedef struct { const float *data; int64_t stride; } floats;

/* floats that one thread needs for `transform_item`: three blocks and two matrices */
static int64_t transform_scratch(shape s) { return height(s) * (3 * P + 2 * DMAX); }

/* one item of `sw_transform`, whose arguments these are */
static void transform_item(const view *dy, floats a, const view *x, floats shift, floats b, floats vector, view y,
                           shape s, item it, float *scratch) {
    row *first = (row *)scratch, *second = first + height(s), *out = second + height(s);
    float *first_matrix = (float *)(out + height(s)), *second_matrix = first_matrix + height(s) * DMAX;
    float offset[DMAX] = {};
    if (dy) load_matrix(a.data, a.stride, it, s, 1, first_matrix);
    if (x) load_matrix(b.data, b.stride, it, s, 0, second_matrix);
    if (vector.data) memcpy(offset, vector.data + it.n * vector.stride + it.channel, it.rows * sizeof(float));
    const float *about = shift.data ? shift.data + it.n * shift.stride + it.channel : NULL;
    const float *matrix = dy ? first_matrix : second_matrix, *other = dy && x ? second_matrix : NULL;
    const row *block = dy ? first : second;
    int far = !dy && s.n * s.c * s.l > FAR; /* the output's lines come while x is loaded */
    int whole = !y.bf16 && y.sl == 1 && (s.d == 1 || it.rows % TI == 0); /* tiles end where the output's rows do */
    for (int64_t l = it.begin; l < it.end; l += P) {
        int64_t count = least(P, it.end - l), direct = whole && count == P;
        int vectors = (int)(round_up(count, W) / W);
        float *to = direct ? (float *)y.data + it.n * y.sn + it.channel * y.sc + l : (float *)out;
        int64_t stride = direct ? y.sc : P;
        for (int r = 0; direct && far && r < it.rows; r++)
            for (int p = 0; p < P; p += LINE) __builtin_prefetch(to + r * stride + p, 1, 2);
        if (dy) load(*dy, it.n, it.channel, l, it.rows, count, NULL, first);
        if (x) load(*x, it.n, it.channel, l, it.rows, count, about, second);
        if (s.d == 1) scale_rows(matrix, block, other, second, offset, it.rows, vectors, to, stride);
        else transform_rows(matrix, block, other, second, offset, it.rows, vectors, to, stride);
        if (!direct) store(y, it.n, it.channel, l, it.rows, count, out);
    }
}

/* y = Aᵀ dy + B (x − shift) + vector. dy is NULL in the forward pass, x in the backward of constant statistics, and
 * then that term is absent; so may be shift and vector. Vectors are (N or 1, C). Returns 0, or 1 without memory. */
EXPORT int sw_transform(const view *dy, floats a, const view *x, floats shift, floats b, floats vector, view y,
                        shape s) {
    int64_t items = s.n * bundles(s) * chunks(s);
    int failed = 0;
#pragma omp parallel num_threads(s.threads) reduction(| : failed) if (items > 1)
    {
        float *scratch = scratch_of(transform_scratch(s));
        failed = !scratch;
#pragma omp for schedule(static)
        for (int64_t index = 0; index < items; index++)
            if (!failed) transform_item(dy, a, x, shift, b, vector, y, s, item_at(s, index), scratch);
        free(scratch);
    }
    return failed;
}
