/* The four passes over the activation on a CPU (Equations 2, 3 and 5, Algorithms 1 and 2), block by block of `cpu_blocks.h`.
 *
 * Sums are kept in vectors of fp32 over CHUNK pixels and added in fp64: results do not depend on the number of threads.
 * The shift of `moments` is the mean of a slice's first block, which leaves no cancellation worth the name (x − shift is
 * of the order of the standard deviation). Compiled by native.py; called through ctypes, the interpreter's lock released.
 */
#include <sys/mman.h>

#include "cpu_blocks.h"

enum { CHUNK = 128 * P };

typedef struct { int64_t n, c, d, l, threads; } shape;

static inline float lanes(vec v) {
    double sum = 0;
    for (int w = 0; w < W; w++) sum += v[w];
    return (float)sum;
}

/* sums[i] += a_i, and where there are squares squares[i] += a_i b_i, in vectors, TI rows at a time: one alone would wait
 * for each addition before the next */
static inline void add_rows(const row *a, const row *b, int rows, int vectors, vec *sums, vec *squares) {
    for (int i = 0; i < rows; i += TI) {
        vec sum[TI], square[TI];
        memcpy(sum, sums + i, sizeof sum);
        if (squares) memcpy(square, squares + i, sizeof square);
        for (int v = 0; v < vectors; v++)
            for (int p = 0; p < TI; p++) {
                sum[p] += a[i + p].v[v];
                if (squares) square[p] += a[i + p].v[v] * b[i + p].v[v];
            }
        memcpy(sums + i, sum, sizeof sum);
        if (squares) memcpy(squares + i, square, sizeof square);
    }
}

/* products[tile] += a bᵀ, in vectors, tile by tile of TI×TJ; only tiles that reach the lower triangle if symmetric */
static inline void add_products(const row *a, const row *b, int rows, int vectors, int symmetric, vec *products) {
    for (int i = 0; i < rows; i += TI)
        for (int j = 0; j < (symmetric ? i + TI : round_up(rows, TI)); j += TJ, products += TI * TJ) {
            vec sum[TI][TJ], right[TJ];
            memcpy(sum, products, sizeof sum);
            for (int v = 0; v < vectors; v++) {
                for (int q = 0; q < TJ; q++) right[q] = HELD(b[j + q].v[v]);
                for (int p = 0; p < TI; p++) {
                    vec left = HELD(a[i + p].v[v]);
                    for (int q = 0; q < TJ; q++) sum[p][q] += left * right[q];
                }
            }
            memcpy(products, sum, sizeof sum);
        }
}

/* sum[p][q] += Σ_j matrix_(i+p)j x_j, for TI rows from i and TJ vectors from v of a block */
static inline void accumulate(const float *matrix, const row *x, int i, int v, int rows, vec sum[TI][TJ]) {
    for (int j = 0; j < rows; j++) {
        vec right[TJ];
        for (int q = 0; q < TJ; q++) right[q] = HELD(x[j].v[v + q]);
        for (int p = 0; p < TI; p++) {
            vec left = HELD((vec){} + matrix[(i + p) * DMAX + j]);
            for (int q = 0; q < TJ; q++) sum[p][q] += left * right[q];
        }
    }
}

/* y_i = offset_i + Σ_j matrix_ij x_j (+ Σ_j second_ij z_j), matrices with DMAX columns; rows of y are `stride` apart */
static inline void transform(const float *matrix, const row *x, const float *second, const row *z, const float *offset,
                             int rows, int vectors, float *y, int64_t stride) {
    for (int i = 0; i < rows; i += TI)
        for (int v = 0; v < vectors; v += TJ) {
            vec sum[TI][TJ];
            for (int p = 0; p < TI; p++)
                for (int q = 0; q < TJ; q++) sum[p][q] = (vec){} + offset[i + p];
            accumulate(matrix, x, i, v, rows, sum);
            if (second) accumulate(second, z, i, v, rows, sum);
            for (int p = 0; p < TI; p++)
                for (int q = 0; q < TJ; q++) *(loose *)(y + (i + p) * stride + (v + q) * W) = sum[p][q];
        }
}

/* the same with a number a row in place of a matrix */
static inline void scale(const float *factor, const row *x, const float *second, const row *z, const float *offset,
                         int rows, int vectors, float *y, int64_t stride) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            vec sum = offset[r] + factor[r] * x[r].v[v];
            if (second) sum += second[r] * z[r].v[v];
            *(loose *)(y + r * stride + v * W) = sum;
        }
}

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

/* how many products a bundle has, and where product (i, j) of it stands in the order of add_products */
static int64_t products_of(shape s, int symmetric) {
    int64_t tiles = round_up(s.d, TI) / TI, across = TI / TJ;
    if (s.d == 1) return BUNDLE;
    return TI * TJ * across * (symmetric ? tiles * (tiles + 1) / 2 : tiles * tiles);
}

static int64_t position(shape s, int symmetric, int64_t i, int64_t j) {
    int64_t tile_row = i / TI, across = TI / TJ, tiles = round_up(s.d, TI) / TI;
    int64_t before = across * (symmetric ? tile_row * (tile_row + 1) / 2 : tile_row * tiles);
    return (before + j / TJ) * TI * TJ + i % TI * TJ + j % TJ;
}

static void first_block_mean(view x, item it, shape s, float *shift) {
    row block[BUNDLE > DMAX ? BUNDLE : DMAX];
    int64_t count = least(P, s.l);
    load(x, it.n, it.channel, 0, it.rows, count, NULL, block);
    for (int r = 0; r < it.rows; r++) {
        vec sum = {};
        for (int v = 0; v < V; v++) sum += block[r].v[v];
        shift[r] = lanes(sum) / (float)count;
    }
}

/* Σ a and Σ a (b − shift)ᵀ of one item into partial, sums first; b NULL stands for a itself, shifted */
static void reduce(view a, const view *b, shape s, item it, const float *shift, float *partial) {
    row left[DMAX], right[DMAX];
    vec sums[DMAX] = {}, products[DMAX * DMAX];
    int64_t number = products_of(s, !b);
    memset(products, 0, number * sizeof(vec));
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

/* x (N, C, L) -> mean (N, C) and covariance (N, C/D, D, D), biased. Returns 0, or 1 without memory. */
int moments(view x, shape s, float *mean, float *cov) {
    int64_t items = s.n * bundles(s) * chunks(s), stride = DMAX + products_of(s, 1);
    float *partial = malloc((items * stride + s.n * s.c + 1) * sizeof(float));
    if (!partial) return 1;
    float *shifts = partial + items * stride;
#pragma omp parallel for num_threads(s.threads) schedule(static) if (items > 1)
    for (int64_t index = 0; index < items; index++) {
        item it = item_at(s, index);
        float shift[DMAX];
        first_block_mean(x, it, s, shift);
        if (!it.begin) memcpy(shifts + it.n * s.c + it.channel, shift, it.rows * sizeof(float));
        reduce(x, NULL, s, it, shift, partial + index * stride);
    }
    for (int64_t index = 0; index < items; index += chunks(s)) {
        item it = item_at(s, index);
        const float *own = partial + index * stride;
        double apart[DMAX];
        for (int r = 0; r < it.rows; r++) {
            apart[r] = over_chunks(own + r, stride, s) / s.l;
            mean[it.n * s.c + it.channel + r] = (float)(shifts[it.n * s.c + it.channel + r] + apart[r]);
        }
        float *to = cov + (it.n * s.c + it.channel) * s.d;
        for (int r = 0; r < it.rows; r++)
            for (int q = 0; q < (s.d == 1 ? 1 : r + 1); q++) {
                int64_t at = s.d == 1 ? r : position(s, 1, r, q);
                double value = over_chunks(own + DMAX + at, stride, s) / s.l - apart[r] * apart[s.d == 1 ? r : q];
                to[r * s.d + q] = (float)value;
                if (s.d > 1) to[q * s.d + r] = (float)value;
            }
    }
    free(partial);
    return 0;
}

/* Σ dy -> total (N, C) and Σ dy (x − shift)ᵀ -> product (N, C/D, D, D); shift (N or 1, C), shift_n its stride or 0 */
int gradient_sums(view dy, view x, shape s, const float *shift, int64_t shift_n, float *total, float *product) {
    int64_t items = s.n * bundles(s) * chunks(s), stride = DMAX + products_of(s, 0);
    float *partial = malloc((items * stride + 1) * sizeof(float));
    if (!partial) return 1;
#pragma omp parallel for num_threads(s.threads) schedule(static) if (items > 1)
    for (int64_t index = 0; index < items; index++) {
        item it = item_at(s, index);
        reduce(dy, &x, s, it, shift ? shift + it.n * shift_n + it.channel : NULL, partial + index * stride);
    }
    for (int64_t index = 0; index < items; index += chunks(s)) {
        item it = item_at(s, index);
        const float *own = partial + index * stride;
        int64_t channel = it.n * s.c + it.channel;
        for (int r = 0; r < it.rows; r++) {
            total[channel + r] = (float)over_chunks(own + r, stride, s);
            for (int q = 0; q < s.d; q++)
                product[(channel + r) * s.d + q] =
                    (float)over_chunks(own + DMAX + (s.d == 1 ? r : position(s, 0, r, q)), stride, s);
        }
    }
    free(partial);
    return 0;
}

/* A fresh large output is mostly page faults: fewer with pages of 2 MB, which the system gives where it is asked. */
static void large_pages(void *data, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 1 << 21;
    uintptr_t begin = ((uintptr_t)data + page - 1) / page * page, end = ((uintptr_t)data + bytes) / page * page;
    if (end > begin + page) madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* advice: failing is no error */
#endif
}

/* a matrix of a group, (D, D), or D = 1 matrices of a bundle, into local (transposed if asked), zero in the padding */
static void localise(const float *matrix, int rows, int64_t d, int transpose, float *local) {
    for (int r = 0; r < (d == 1 ? 1 : round_up(rows, TI)); r++)
        for (int q = 0; q < rows; q++)
            local[r * DMAX + q] = d == 1 ? matrix[q] : r < rows ? matrix[transpose ? q * d + r : r * d + q] : 0;
}

/* y = Aᵀ dy + B (x − shift) + vector. dy is NULL in the forward pass, x in the backward of constant statistics, and then
 * that term is absent; so may be shift and vector. Matrices (N or 1, C/D, D, D) and vectors (N or 1, C), each with the
 * stride of a sample, 0 where one serves all. */
void transform_pass(const view *dy, const float *a, int64_t a_n, const view *x, const float *shift, int64_t shift_n,
                    const float *b, int64_t b_n, const float *vector, int64_t vector_n, view y, shape s) {
    int64_t items = s.n * bundles(s) * chunks(s);
    large_pages(y.data, s.n * s.c * s.l * (y.bf16 ? 2 : 4));
#pragma omp parallel for num_threads(s.threads) schedule(static) if (items > 1)
    for (int64_t index = 0; index < items; index++) {
        item it = item_at(s, index);
        row first[DMAX], second[DMAX], out[DMAX];
        float first_matrix[DMAX * DMAX], second_matrix[DMAX * DMAX], offset[DMAX] = {};
        if (dy) localise(a + it.n * a_n + it.channel * s.d, it.rows, s.d, 1, first_matrix);
        if (x) localise(b + it.n * b_n + it.channel * s.d, it.rows, s.d, 0, second_matrix);
        if (vector) memcpy(offset, vector + it.n * vector_n + it.channel, it.rows * sizeof(float));
        const float *own_shift = shift ? shift + it.n * shift_n + it.channel : NULL;
        for (int64_t l = it.begin; l < it.end; l += P) {
            int64_t count = least(P, it.end - l);
            int vectors = (int)(round_up(count, W) / W);
            if (dy) load(*dy, it.n, it.channel, l, it.rows, count, NULL, first);
            if (x) load(*x, it.n, it.channel, l, it.rows, count, own_shift, second);
            const float *one = dy ? first_matrix : second_matrix, *other = dy && x ? second_matrix : NULL;
            const row *of_one = dy ? first : second;
            int direct = !y.bf16 && y.sl == 1 && count == P && (s.d == 1 || it.rows % TI == 0);
            float *to = direct ? (float *)y.data + it.n * y.sn + it.channel * y.sc + l : (float *)out;
            (s.d == 1 ? scale : transform)(one, of_one, other, second, offset, it.rows, vectors, to, direct ? y.sc : P);
            if (!direct) store(y, it.n, it.channel, l, it.rows, count, out);
        }
    }
}
