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
                __builtin_prefetch(from + 2 * P, 0, 2); /* the processor follows fewer streams than there are rows */
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
