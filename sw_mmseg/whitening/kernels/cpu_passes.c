/* The four passes over the activation on a CPU, and Newton's iteration (Equations 2, 3, 5 and 7, Algorithms 1 and 2).
 *
 * Every pass walks blocks of P pixels of one bundle of channels. A block is loaded into a buffer of rows [channel][pixel]
 * that stays in the first-level cache, converted to fp32 and with a shift a channel removed, so that memory format,
 * dtype, channels that fill no tile and pixels that fill no vector concern `load` and `store` alone. A bundle is a group
 * of D channels, or with D = 1 up to BUNDLE independent ones.
 *
 * Sums are kept in vectors of fp32 over CHUNK pixels and added in fp64: results do not depend on the number of threads.
 * The shift is the mean of a slice's first block, which leaves no cancellation worth the name (x − shift is of the order
 * of the standard deviation). Compiled by native.py; called through ctypes, with the interpreter's lock released.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __AVX512F__
enum { W = 16, TJ = 4 }; /* floats a vector; columns a tile, as many as the registers hold */
#else
enum { W = 8, TJ = 2 };
#endif
enum { P = 256, V = P / W, TI = 4, BUNDLE = 16, DMAX = 64, CHUNK = 128 * P };

typedef float vec __attribute__((vector_size(4 * W)));
typedef float loose __attribute__((vector_size(4 * W), aligned(4))); /* a vector anywhere in memory */
typedef float vec4 __attribute__((vector_size(16), aligned(4)));
typedef int int4 __attribute__((vector_size(16)));
typedef struct { vec v[V]; } row; /* one channel of a block */

/* data (N, C, L) of fp32 or bf16: strides of a sample, a channel and a pixel, in elements */
typedef struct { void *data; int64_t bf16, sn, sc, sl; } view;
typedef struct { int64_t n, c, d, l, threads; } shape;

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

static inline float from_bf16(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint16_t to_bf16(float f) { /* to nearest, ties to even */
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (f != f) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* a 4×4 transpose of rows a, b, c, d */
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (int4){i, j, k, l})
#define TRANSPOSE(a, b, c, d)                                                                   \
    do {                                                                                        \
        vec4 ab = SHUFFLE(a, b, 0, 4, 1, 5), AB = SHUFFLE(a, b, 2, 6, 3, 7);                    \
        vec4 cd = SHUFFLE(c, d, 0, 4, 1, 5), CD = SHUFFLE(c, d, 2, 6, 3, 7);                    \
        a = SHUFFLE(ab, cd, 0, 1, 4, 5), b = SHUFFLE(ab, cd, 2, 3, 6, 7);                       \
        c = SHUFFLE(AB, CD, 0, 1, 4, 5), d = SHUFFLE(AB, CD, 2, 3, 6, 7);                       \
    } while (0)

static void load_pixel_major(const float *x, int64_t sl, int rows, int64_t count, row *block) {
    int r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int64_t l = 0; l + 4 <= count; l += 4) {
            const float *at = x + l * sl + r;
            vec4 a = *(vec4 *)at, b = *(vec4 *)(at + sl), c = *(vec4 *)(at + 2 * sl), d = *(vec4 *)(at + 3 * sl);
            TRANSPOSE(a, b, c, d);
            vec4 columns[4] = {a, b, c, d};
            for (int k = 0; k < 4; k++) *(vec4 *)((float *)(block + r + k) + l) = columns[k];
        }
    for (int k = 0; k < rows; k++)
        for (int64_t l = k < r ? count / 4 * 4 : 0; l < count; l++) ((float *)(block + k))[l] = x[l * sl + k];
}

static void store_pixel_major(float *x, int64_t sl, int rows, int64_t count, const row *block) {
    int r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int64_t l = 0; l + 4 <= count; l += 4) {
            const float *at = (const float *)(block + r) + l;
            vec4 a = *(vec4 *)at, b = *(vec4 *)(at + P), c = *(vec4 *)(at + 2 * P), d = *(vec4 *)(at + 3 * P);
            TRANSPOSE(a, b, c, d);
            vec4 pixels[4] = {a, b, c, d};
            for (int k = 0; k < 4; k++) *(vec4 *)(x + (l + k) * sl + r) = pixels[k];
        }
    for (int k = 0; k < rows; k++)
        for (int64_t l = k < r ? count / 4 * 4 : 0; l < count; l++) x[l * sl + k] = ((const float *)(block + k))[l];
}

/* rows of pixels [l, l + count) from channel c of sample n, minus shift (or NULL); zero beyond count and beyond rows */
static void load(view x, int64_t n, int64_t c, int64_t l, int rows, int64_t count, const float *shift, row *block) {
    int64_t start = n * x.sn + c * x.sc + l * x.sl;
    if (x.bf16) {
        const uint16_t *from = (const uint16_t *)x.data + start;
        for (int r = 0; r < rows; r++)
            for (int64_t i = 0; i < count; i++) ((float *)(block + r))[i] = from_bf16(from[r * x.sc + i * x.sl]);
    } else if (x.sl == 1 && count == P) { /* the usual case, in one go */
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) {
                const float *from = (const float *)x.data + start + r * x.sc + v * W;
                
                block[r].v[v] = *(const loose *)from - (shift ? shift[r] : 0);
            }
        shift = NULL;
    } else if (x.sl == 1) {
        for (int r = 0; r < rows; r++) memcpy(block + r, (const float *)x.data + start + r * x.sc, count * 4);
    } else {
        load_pixel_major((const float *)x.data + start, x.sl, rows, count, block);
    }
    if (shift)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) block[r].v[v] -= shift[r];
    if (count < P)
        for (int r = 0; r < rows; r++) memset((float *)(block + r) + count, 0, (P - count) * 4);
    memset(block + rows, 0, (round_up(rows, TI) - rows) * sizeof(row));
}

static void store(view y, int64_t n, int64_t c, int64_t l, int rows, int64_t count, const row *block) {
    int64_t start = n * y.sn + c * y.sc + l * y.sl;
    if (y.bf16) {
        uint16_t *to = (uint16_t *)y.data + start;
        for (int r = 0; r < rows; r++)
            for (int64_t i = 0; i < count; i++) to[r * y.sc + i * y.sl] = to_bf16(((const float *)(block + r))[i]);
    } else if (y.sl == 1 && count == P) {
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) *(loose *)((float *)y.data + start + r * y.sc + v * W) = block[r].v[v];
    } else if (y.sl == 1) {
        for (int r = 0; r < rows; r++) memcpy((float *)y.data + start + r * y.sc, block + r, count * 4);
    } else {
        store_pixel_major((float *)y.data + start, y.sl, rows, count, block);
    }
}

static inline float lanes(vec v) {
    double sum = 0;
    for (int w = 0; w < W; w++) sum += v[w];
    return (float)sum;
}

/* sums[i] += a_i, in vectors */
static inline void add_rows(const row *a, int rows, int vectors, vec *sums) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) sums[r] += a[r].v[v];
}

/* products[tile] += a bᵀ, in vectors, tile by tile of TI×TJ; only tiles that reach the lower triangle if symmetric */
static inline void add_products(const row *a, const row *b, int rows, int vectors, int symmetric, vec *products) {
    for (int i = 0; i < rows; i += TI)
        for (int j = 0; j < (symmetric ? i + TI : rows); j += TJ, products += TI * TJ) {
            vec sum[TI][TJ];
            memcpy(sum, products, sizeof sum);
            for (int v = 0; v < vectors; v++)
                for (int p = 0; p < TI; p++)
                    for (int q = 0; q < TJ; q++) sum[p][q] += a[i + p].v[v] * b[j + q].v[v];
            memcpy(products, sum, sizeof sum);
        }
}

static inline void add_squares(const row *a, const row *b, int rows, int vectors, vec *products) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) products[r] += a[r].v[v] * b[r].v[v];
}

/* y_i = offset_i + Σ_j matrix_ij x_j (+ Σ_j second_ij z_j), matrices with DMAX columns, rows padded to TI */
static inline void transform(const float *matrix, const row *x, const float *second, const row *z, const float *offset,
                             int rows, int padded, int vectors, row *y) {
    for (int i = 0; i < padded; i += TI)
        for (int v = 0; v < vectors; v += TJ) {
            vec sum[TI][TJ];
            for (int p = 0; p < TI; p++)
                for (int q = 0; q < TJ; q++) sum[p][q] = (vec){} + offset[i + p];
            for (int j = 0; j < rows; j++)
                for (int p = 0; p < TI; p++)
                    for (int q = 0; q < TJ; q++) sum[p][q] += matrix[(i + p) * DMAX + j] * x[j].v[v + q];
            if (second)
                for (int j = 0; j < rows; j++)
                    for (int p = 0; p < TI; p++)
                        for (int q = 0; q < TJ; q++) sum[p][q] += second[(i + p) * DMAX + j] * z[j].v[v + q];
            for (int p = 0; p < TI; p++)
                for (int q = 0; q < TJ; q++) y[i + p].v[v + q] = sum[p][q];
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
        add_rows(left, it.rows, vectors, sums);
        if (s.d == 1) add_squares(left, b ? right : left, it.rows, vectors, products);
        else add_products(left, b ? right : left, it.rows, vectors, !b, products);
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
        int padded = (int)round_up(it.rows, TI);
        if (dy) localise(a + it.n * a_n + it.channel * s.d, it.rows, s.d, 1, first_matrix);
        if (x) localise(b + it.n * b_n + it.channel * s.d, it.rows, s.d, 0, second_matrix);
        if (vector) memcpy(offset, vector + it.n * vector_n + it.channel, it.rows * sizeof(float));
        const float *own_shift = shift ? shift + it.n * shift_n + it.channel : NULL;
        for (int64_t l = it.begin; l < it.end; l += P) {
            int64_t count = least(P, it.end - l);
            int vectors = (int)(round_up(count, W) / W);
            if (dy) load(*dy, it.n, it.channel, l, it.rows, count, NULL, first);
            if (x) load(*x, it.n, it.channel, l, it.rows, count, own_shift, second);
            if (s.d == 1)
                for (int r = 0; r < it.rows; r++)
                    for (int v = 0; v < vectors; v++) {
                        vec sum = (vec){} + offset[r];
                        if (dy) sum += first_matrix[r] * first[r].v[v];
                        if (x) sum += second_matrix[r] * second[r].v[v];
                        out[r].v[v] = sum;
                    }
            else if (dy && x)
                transform(first_matrix, first, second_matrix, second, offset, it.rows, padded, vectors, out);
            else
                transform(dy ? first_matrix : second_matrix, dy ? first : second, NULL, NULL, offset, it.rows, padded,
                          vectors, out);
            store(y, it.n, it.channel, l, it.rows, count, out);
        }
    }
}
