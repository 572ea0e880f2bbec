/* Newton's iteration for Σ^(−1/2) (Equation 7) in its coupled form, and its gradient: see inverse_sqrt.py.
 * One thread a matrix, whose iterates stay in its cache. Inside, matrices have rows of LD floats, zero beyond D.
 */
#pragma once
#include <math.h>
#include <string.h>

#include "vector.h"

enum { ROWS = 4 }; /* of a product at a time, whose sums stay in registers */

typedef struct { int d, stored, ld; } size; /* D; rows stored, a multiple of ROWS; floats a row, a multiple of W */

static inline size size_of(int d) { return (size){d, (int)round_up(d, ROWS), (int)round_up(d, W)}; }
static inline int64_t floats_of(size s) { return (int64_t)s.stored * s.ld; }

/* c = alpha a b + beta e, where e may be NULL or c itself */
static inline __attribute__((always_inline)) void multiply_inline(const float *a, const float *b, float alpha,
                                                                  float beta, const float *e, float *c, size s) {
    for (int i = 0; i < s.stored; i += ROWS)
        for (int j = 0; j < s.ld; j += W) {
            vec sum[ROWS] = {};
            for (int k = 0; k < s.d; k++)
                for (int p = 0; p < ROWS; p++) sum[p] += a[(i + p) * s.ld + k] * *(const vec *)(b + k * s.ld + j);
            for (int p = 0; p < ROWS; p++) {
                sum[p] *= alpha;
                if (e) sum[p] += beta * *(const vec *)(e + (i + p) * s.ld + j);
                *(vec *)(c + (i + p) * s.ld + j) = sum[p];
            }
        }
}

static void multiply(const float *a, const float *b, float alpha, float beta, const float *e, float *c, int d) {
    if (d == 16) multiply_inline(a, b, alpha, beta, e, c, size_of(16)); /* the compiler unrolls */
    else multiply_inline(a, b, alpha, beta, e, c, size_of(d));
}

/* Σ_N = Σ / tr Σ with padded rows, and tr Σ */
static float normalise(const float *cov, size s, float *normed) {
    float trace = 0;
    for (int i = 0; i < s.d; i++) trace += cov[i * s.d + i];
    memset(normed, 0, floats_of(s) * sizeof(float));
    for (int i = 0; i < s.d; i++)
        for (int j = 0; j < s.d; j++) normed[i * s.ld + j] = cov[i * s.d + j] / trace;
    return trace;
}

/* Z, Y and M of every step one after another from `first` on, or, with `keep` 0, in two places by turns. Returns Z_T */
static const float *iterate(const float *normed, size s, int iterations, int keep, const float *identity,
                            float *first) {
    int64_t step = floats_of(s);
    float *z = first;
    for (int64_t k = 0; k < step; k++) z[k] = 1.5f * identity[k] - 0.5f * normed[k];
    if (iterations > 1) multiply(normed, z, 1, 0, NULL, z + step, s.d);
    for (int t = 1; t < iterations; t++) {
        float *y = z + step, *m = y + step;
        float *next = keep || z == first ? z + 3 * step : first; /* where the next step's Z, Y and M begin */
        multiply(z, y, -0.5f, 1.5f, identity, m, s.d);
        multiply(m, z, 1, 0, NULL, next, s.d);
        if (t + 1 < iterations) multiply(y, m, 1, 0, NULL, next + step, s.d);
        z = next;
    }
    return z;
}

static void set_identity(float *a, size s) {
    memset(a, 0, floats_of(s) * sizeof(float));
    for (int i = 0; i < s.d; i++) a[i * s.ld + i] = 1;
}

/* Floats of scratch that one matrix needs, in matrices that stay aligned. Forward: Σ_N, I, and Z, Y, M of two steps by
 * turns. Backward: the eight that newton_backward names, and Z, Y, M of every step. */
static inline int64_t newton_scratch(int d) { return (2 + 2 * 3) * floats_of(size_of(d)); }
static inline int64_t newton_backward_scratch(int d, int64_t iterations) {
    return (8 + 3 * iterations) * floats_of(size_of(d));
}

/* P_T / √tr Σ of cov (D, D) into root */
static void newton(const float *cov, int d, int64_t iterations, float *scratch, float *root) {
    size s = size_of(d);
    float *identity = scratch + floats_of(s), scale = 1 / sqrtf(normalise(cov, s, scratch));
    set_identity(identity, s);
    const float *p = iterate(scratch, s, (int)iterations, 0, identity, identity + floats_of(s));
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) root[i * d + j] = scale * p[i * s.ld + j];
}

static float inner(const float *a, const float *b, size s) {
    float sum = 0;
    for (int i = 0; i < s.d; i++) {
        float row = 0;
        for (int j = 0; j < s.d; j++) row += a[i * s.ld + j] * b[i * s.ld + j];
        sum += row;
    }
    return sum;
}

/* One step back: from gradients of the new Z and Y, the latter NULL where there is none, to those of the old ones. */
static void reverse(const float *z, size s, const float *gz, const float *gy, float *gm, float *to_z, float *to_y) {
    const float *y = z + floats_of(s), *m = y + floats_of(s);
    multiply(gz, z, 1, 0, NULL, gm, s.d);
    if (gy) multiply(y, gy, 1, 1, gm, gm, s.d);
    multiply(m, gz, 1, 0, NULL, to_z, s.d);
    multiply(gm, y, -0.5f, 1, to_z, to_z, s.d);
    if (gy) multiply(gy, m, 1, 0, NULL, to_y, s.d);
    multiply(z, gm, -0.5f, 1, gy ? to_y : NULL, to_y, s.d);
}

/* dL/dΣ from symmetric dL/dΣ^(−1/2), both (D, D); the iterates are computed anew */
static void newton_backward(const float *grad, const float *cov, int d, int64_t iterations, float *scratch,
                            float *grad_cov) {
    size s = size_of(d);
    int64_t step = floats_of(s);
    float *normed = scratch, *identity = normed + step, *gm = identity + step, *gz = gm + step, *gy = NULL;
    float *free_z = gz + step, *free_y = free_z + step, *spare = free_y + step, *sum = spare + step;
    float *first = sum + step;
    float trace = normalise(cov, s, normed), scale = 1 / sqrtf(trace);
    set_identity(identity, s);
    const float *last = iterate(normed, s, (int)iterations, 1, identity, first);
    memset(gz, 0, step * sizeof(float));
    for (int i = 0; i < d; i++) memcpy(gz + i * s.ld, grad + i * d, d * sizeof(float));
    float to_trace = -0.5f * inner(gz, last, s) * scale / trace; /* through P_T / √tr Σ */
    for (int64_t i = 0; i < step; i++) gz[i] *= scale;
    for (int64_t t = iterations - 2; t >= 0; t--) {
        reverse(first + 3 * t * step, s, gz, gy, gm, free_z, free_y);
        float *old_z = gz, *old_y = gy ? gy : spare;
        gz = free_z, gy = free_y, free_z = old_z, free_y = old_y;
    }
    memset(gm, 0, step * sizeof(float));
    if (gy) { /* through Y₁ = Σ_N Z₁ */
        multiply(gy, first, 1, 0, NULL, gm, s.d);
        multiply(normed, gy, -0.5f, 1, gm, gm, s.d);
    }
    for (int64_t i = 0; i < step; i++) gm[i] -= 0.5f * gz[i]; /* and Z₁ = 1.5 I − ½ Σ_N */
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) sum[i * s.ld + j] = (gm[i * s.ld + j] + gm[j * s.ld + i]) / 2;
    to_trace -= inner(sum, normed, s) / trace; /* through Σ / tr Σ */
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) grad_cov[i * d + j] = sum[i * s.ld + j] / trace + (i == j ? to_trace : 0);
}
