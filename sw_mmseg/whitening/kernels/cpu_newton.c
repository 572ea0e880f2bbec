/* Newton's iteration for Σ^(−1/2) (Equation 7) and its gradient; the mathematics stands in inverse_sqrt.py.
 * One thread a matrix, whose iterates stay in its cache. Matrices have rows of LD floats, zero beyond D.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
enum { W = 16 };
#else
enum { W = 8 };
#endif
enum { ROWS = 4 };

typedef float vec __attribute__((vector_size(4 * W)));

typedef struct { int d, stored, ld; } size; /* D; rows stored, a multiple of ROWS; floats a row, a multiple of W */

static inline int round_up(int a, int b) { return (a + b - 1) / b * b; }
static inline size size_of(int d) { return (size){d, round_up(d, ROWS), round_up(d, W)}; }
static inline int64_t floats(size s) { return (int64_t)s.stored * s.ld; }

/* c = alpha a b + beta e, where e may be NULL or c itself */
static inline __attribute__((always_inline)) void multiply_fixed(const float *a, const float *b, float alpha, float beta,
                                                                 const float *e, float *c, size s) {
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
    if (d == 16) multiply_fixed(a, b, alpha, beta, e, c, size_of(16)); /* the compiler unrolls */
    else multiply_fixed(a, b, alpha, beta, e, c, size_of(d));
}

/* Σ_N = Σ / tr Σ with padded rows, and tr Σ */
static float normalise(const float *cov, size s, float *normed) {
    float trace = 0;
    for (int i = 0; i < s.d; i++) trace += cov[i * s.d + i];
    memset(normed, 0, floats(s) * sizeof(float));
    for (int i = 0; i < s.d; i++)
        for (int j = 0; j < s.d; j++) normed[i * s.ld + j] = cov[i * s.d + j] / trace;
    return trace;
}

/* P₁ … P_T one after another in p, and P₁³ … P_{T−1}³ in cubes, or, with `keep` 0, only P_T in the first place of p */
static void iterate(const float *normed, size s, int iterations, int keep, float *p, float *cubes, float *square) {
    int64_t step = keep ? floats(s) : 0;
    for (int64_t k = 0; k < floats(s); k++) p[k] = -0.5f * normed[k];
    for (int i = 0; i < s.d; i++) p[i * s.ld + i] += 1.5f;
    for (int t = 1; t < iterations; t++, p += step, cubes += step) {
        multiply(p, p, 1, 0, NULL, square, s.d);
        multiply(square, p, 1, 0, NULL, cubes, s.d);
        multiply(cubes, normed, -0.5f, 1.5f, p, p + step, s.d);
    }
}

static float *workspace(int64_t count) {
    float *memory = NULL;
    return posix_memalign((void **)&memory, 64, count * sizeof(float)) ? NULL : memory;
}

/* cov (M, D, D) -> P_T / √tr Σ. Returns 0, or 1 without memory. */
int newton(const float *cov, int64_t m, int64_t d, int64_t iterations, int64_t threads, float *root) {
    size s = size_of((int)d);
    int failed = 0;
#pragma omp parallel num_threads(threads) reduction(| : failed) if (m > 1)
    {
        float *normed = workspace(4 * floats(s));
        failed = !normed;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < m; k++) {
            if (failed) continue;
            float *p = normed + floats(s), *cube = p + floats(s), *square = cube + floats(s);
            float scale = 1 / sqrtf(normalise(cov + k * d * d, s, normed));
            iterate(normed, s, (int)iterations, 0, p, cube, square);
            for (int i = 0; i < d; i++)
                for (int j = 0; j < d; j++) root[(k * d + i) * d + j] = scale * p[i * s.ld + j];
        }
        free(normed);
    }
    return failed;
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

/* With H = G Σ_N: dL/dPₖ = 1.5 G − ½ (H P² + P H P + P² H), and dL/dΣ_N gains −½ P³ G; g and to_normed in place */
static void reverse(const float *normed, const float *p, const float *cube, size s, float *g, float *to_normed, float *h,
                    float *hp, float *both) {
    multiply(cube, g, -0.5f, 1, to_normed, to_normed, s.d);
    multiply(g, normed, 1, 0, NULL, h, s.d);
    multiply(h, p, 1, 0, NULL, hp, s.d);
    multiply(hp, p, -0.5f, 1.5f, g, g, s.d);
    multiply(p, h, 1, 1, hp, both, s.d);
    multiply(p, both, -0.5f, 1, g, g, s.d);
}

/* symmetric dL/dΣ from symmetric dL/dΣ^(−1/2), both (M, D, D), iterates computed anew */
int newton_backward(const float *grad, const float *cov, int64_t m, int64_t d, int64_t iterations, int64_t threads,
                    float *grad_cov) {
    size s = size_of((int)d);
    int64_t step = floats(s), kept = iterations > 1 ? iterations - 1 : 0;
    int failed = 0;
#pragma omp parallel num_threads(threads) reduction(| : failed) if (m > 1)
    {
        float *normed = workspace((7 + 2 * kept) * step);
        failed = !normed;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < m; k++) {
            if (failed) continue;
            float *g = normed + step, *to_normed = g + step, *h = to_normed + step, *hp = h + step, *sum = hp + step;
            float *p = sum + step, *cubes = p + (kept + 1) * step;
            float trace = normalise(cov + k * d * d, s, normed), scale = 1 / sqrtf(trace);
            iterate(normed, s, (int)iterations, 1, p, cubes, hp);
            memset(g, 0, 2 * step * sizeof(float)); /* to_normed too */
            for (int i = 0; i < d; i++) memcpy(g + i * s.ld, grad + (k * d + i) * d, d * sizeof(float));
            float to_trace = -0.5f * inner(g, p + kept * step, s) * scale / trace;
            for (int64_t i = 0; i < step; i++) g[i] *= scale;
            for (int64_t t = kept - 1; t >= 0; t--)
                reverse(normed, p + t * step, cubes + t * step, s, g, to_normed, h, hp, sum);
            for (int i = 0; i < d; i++)
                for (int j = 0; j < d; j++)
                    sum[i * s.ld + j] = (to_normed[i * s.ld + j] + to_normed[j * s.ld + i]) / 2 - 0.5f * g[i * s.ld + j];
            to_trace -= inner(sum, normed, s) / trace;
            for (int i = 0; i < d; i++)
                for (int j = 0; j < d; j++)
                    grad_cov[(k * d + i) * d + j] = sum[i * s.ld + j] / trace + (i == j ? to_trace : 0);
        }
        free(normed);
    }
    return failed;
}
