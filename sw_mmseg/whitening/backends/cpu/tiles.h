/* Arithmetic on blocks of `blocks.h`, in tiles of TI rows and TJ vectors or columns whose sums stay in registers. */
#pragma once
#include "blocks.h"

static inline float lanes(vec v) {
    double sum = 0;
    for (int w = 0; w < W; w++) sum += v[w];
    return (float)sum;
}

/* sums[i] += a_i, and where there are squares squares[i] += a_i b_i, in vectors, TI rows at a time: one alone would
 * wait for each addition before the next */
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
    for (int i = 0; i < rows; i += TI) {
        int columns = symmetric ? i + TI : (int)round_up(rows, TI);
        for (int j = 0; j < columns; j += TJ, products += TI * TJ) {
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
}

/* sum[p][q] += Σ_j matrix_(i+p)j x_j, for TI rows from i and TJ vectors from v of a block */
static inline void accumulate(const float *matrix, const row *x, int i, int v, int rows, vec sum[TI][TJ]) {
    for (int j = 0; j < rows; j++) {
        vec right[TJ];
        for (int q = 0; q < TJ; q++) right[q] = HELD(x[j].v[v + q]);
        for (int p = 0; p < TI; p++) {
            vec left = HELD(matrix[(i + p) * DMAX + j] - (vec){}); /* 0 + would be an addition, for −0 */
            for (int q = 0; q < TJ; q++) sum[p][q] += left * right[q];
        }
    }
}

/* y_i = offset_i + Σ_j matrix_ij x_j (+ Σ_j second_ij z_j), matrices with DMAX columns; rows of y are `stride` apart */
static inline void transform_rows(const float *matrix, const row *x, const float *second, const row *z,
                                  const float *offset, int rows, int vectors, float *y, int64_t stride) {
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
static inline void scale_rows(const float *factor, const row *x, const float *second, const row *z, const float *offset,
                              int rows, int vectors, float *y, int64_t stride) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            vec sum = offset[r] + factor[r] * x[r].v[v];
            if (second) sum += second[r] * z[r].v[v];
            *(loose *)(y + r * stride + v * W) = sum;
        }
}
