/* Blocks of an activation in the first-level cache: P pixels of one bundle of channels, in rows [channel][pixel], in
 * fp32, with a shift a channel removed. Memory format, dtype, channels that fill no tile and pixels that fill no vector
 * concern `load` and `store` alone. A bundle is a group of D channels, or with D = 1 up to BUNDLE independent ones.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vector.h"

enum {
    P = 256,     /* pixels: 16 rows of them are 16 kB, which leave room for an output in a first-level cache of 32 */
    V = P / W,   /* vectors a row */
    TI = 4,      /* rows a tile; W and DMAX are multiples of it */
    SOME = 16,   /* pixels of bf16 that are transposed at a time */
    BUNDLE = 16, /* channels at a time where each is a group of its own */
    DMAX = 64    /* channels of the largest group: LARGEST_GROUP in base.py */
};

typedef float vec4 __attribute__((vector_size(16), aligned(4)));
typedef struct { vec v[V]; } row; /* one channel of a block */

/* data (N, C, L) of fp32 or bf16: strides of a sample, a channel and a pixel, in elements */
typedef struct { void *data; int64_t bf16, sn, sc, sl; } view;

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

/* the same for W values side by side: a conversion of its own for each, or one in a loop with strides, would take
 * longer than the products */
typedef uint32_t words __attribute__((vector_size(4 * W)));
typedef uint16_t halves __attribute__((vector_size(2 * W), aligned(2)));

static inline vec from_halves(const uint16_t *from) {
    return (vec)(__builtin_convertvector(*(const halves *)from, words) << 16);
}

static inline void to_halves(vec values, uint16_t *to) {
    words bits = (words)values, broken = (words)(values != values);
    words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    *(halves *)to = __builtin_convertvector((rounded & ~broken) | ((bits >> 16 | 64) & broken), halves);
}

/* elements i to l of the eight in a and b: clang and gcc from 12 on know the first, older gcc the second */
#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#endif
#endif
#ifndef SHUFFLE
typedef int int4 __attribute__((vector_size(16)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (int4){i, j, k, l})
#endif

/* a 4×4 transpose of rows a, b, c, d */
#define TRANSPOSE(a, b, c, d)                                                                   \
    do {                                                                                        \
        vec4 ab = SHUFFLE(a, b, 0, 4, 1, 5), AB = SHUFFLE(a, b, 2, 6, 3, 7);                    \
        vec4 cd = SHUFFLE(c, d, 0, 4, 1, 5), CD = SHUFFLE(c, d, 2, 6, 3, 7);                    \
        a = SHUFFLE(ab, cd, 0, 1, 4, 5), b = SHUFFLE(ab, cd, 2, 3, 6, 7);                       \
        c = SHUFFLE(AB, CD, 0, 1, 4, 5), d = SHUFFLE(AB, CD, 2, 3, 6, 7);                       \
    } while (0)

/* pixels of `rows` channels each, `sl` apart, into rows of `block` from its first column on */
static void load_pixel_major(const float *x, int64_t sl, int rows, int64_t count, float *block) {
    int r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int64_t l = 0; l + 4 <= count; l += 4) {
            const float *at = x + l * sl + r;
            vec4 a = *(vec4 *)at, b = *(vec4 *)(at + sl), c = *(vec4 *)(at + 2 * sl), d = *(vec4 *)(at + 3 * sl);
            TRANSPOSE(a, b, c, d);
            vec4 columns[4] = {a, b, c, d};
            for (int k = 0; k < 4; k++) *(vec4 *)(block + (r + k) * P + l) = columns[k];
        }
    for (int k = 0; k < rows; k++)
        for (int64_t l = k < r ? count / 4 * 4 : 0; l < count; l++) block[k * P + l] = x[l * sl + k];
}

static void store_pixel_major(float *x, int64_t sl, int rows, int64_t count, const float *block) {
    int r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int64_t l = 0; l + 4 <= count; l += 4) {
            const float *at = block + r * P + l;
            vec4 a = *(vec4 *)at, b = *(vec4 *)(at + P), c = *(vec4 *)(at + 2 * P), d = *(vec4 *)(at + 3 * P);
            TRANSPOSE(a, b, c, d);
            vec4 pixels[4] = {a, b, c, d};
            for (int k = 0; k < 4; k++) *(vec4 *)(x + (l + k) * sl + r) = pixels[k];
        }
    for (int k = 0; k < rows; k++)
        for (int64_t l = k < r ? count / 4 * 4 : 0; l < count; l++) x[l * sl + k] = block[k * P + l];
}

/* values side by side; whole vectors first, and no byte beyond the last */
static inline void widen(const uint16_t *from, int64_t count, float *to) {
    int64_t i = 0;
    for (; i + W <= count; i += W) *(loose *)(to + i) = from_halves(from + i);
    for (; i < count; i++) to[i] = from_bf16(from[i]);
}

static inline void narrow(const float *from, int64_t count, uint16_t *to) {
    int64_t i = 0;
    for (; i + W <= count; i += W) to_halves(*(const loose *)(from + i), to + i);
    for (; i < count; i++) to[i] = to_bf16(from[i]);
}

/* bf16 of either memory format: pixels side by side, or few pixels at a time, each with its channels side by side */
static void load_bf16(const uint16_t *x, view of, int rows, int64_t count, row *block) {
    if (of.sl == 1) {
        for (int r = 0; r < rows; r++) widen(x + r * of.sc, count, (float *)(block + r));
        return;
    }
    float pixels[SOME * DMAX];
    for (int64_t l = 0; l < count; l += SOME) {
        int64_t some = least(SOME, count - l);
        for (int64_t k = 0; k < some; k++) widen(x + (l + k) * of.sl, rows, pixels + k * DMAX);
        load_pixel_major(pixels, DMAX, rows, some, (float *)block + l);
    }
}

static void store_bf16(uint16_t *y, view of, int rows, int64_t count, const row *block) {
    if (of.sl == 1) {
        for (int r = 0; r < rows; r++) narrow((const float *)(block + r), count, y + r * of.sc);
        return;
    }
    float pixels[SOME * DMAX];
    for (int64_t l = 0; l < count; l += SOME) {
        int64_t some = least(SOME, count - l);
        store_pixel_major(pixels, DMAX, rows, some, (const float *)block + l);
        for (int64_t k = 0; k < some; k++) narrow(pixels + k * DMAX, rows, y + (l + k) * of.sl);
    }
}

/* rows of pixels [l, l + count) from channel c of sample n, minus shift (or NULL); zero beyond count and beyond rows */
static void load(view x, int64_t n, int64_t c, int64_t l, int rows, int64_t count, const float *shift, row *block) {
    int64_t start = n * x.sn + c * x.sc + l * x.sl;
    if (x.bf16) {
        load_bf16((const uint16_t *)x.data + start, x, rows, count, block);
    } else if (x.sl == 1 && count == P) { /* the usual case, in one go */
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) {
                const float *from = (const float *)x.data + start + r * x.sc + v * W;
                __builtin_prefetch(from + 2 * P, 0, 2); /* the processor follows fewer streams than there are rows */
                block[r].v[v] = *(const loose *)from - (shift ? shift[r] : 0);
            }
        shift = NULL;
    } else if (x.sl == 1) {
        for (int r = 0; r < rows; r++) memcpy(block + r, (const float *)x.data + start + r * x.sc, count * 4);
    } else {
        load_pixel_major((const float *)x.data + start, x.sl, rows, count, (float *)block);
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
        store_bf16((uint16_t *)y.data + start, y, rows, count, block);
    } else if (y.sl == 1 && count == P) {
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < V; v++) *(loose *)((float *)y.data + start + r * y.sc + v * W) = block[r].v[v];
    } else if (y.sl == 1) {
        for (int r = 0; r < rows; r++) memcpy((float *)y.data + start + r * y.sc, block + r, count * 4);
    } else {
        store_pixel_major((float *)y.data + start, y.sl, rows, count, (const float *)block);
    }
}
