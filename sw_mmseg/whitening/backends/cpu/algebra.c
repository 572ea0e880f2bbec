/* Everything between the two passes on a CPU: algebra.py in C, where the mathematics stands, and the shapes in
 * cpu_mixture.h. What there are many small operations on many small matrices is here one loop, with no dispatch.
 */
#include <stdlib.h>

#include "cpu_mixture.h"
#include "cpu_newton.h"

static float *scratch_of(int64_t count) {
    void *memory = NULL;
    return posix_memalign(&memory, 64, (count + 16) * sizeof(float)) ? NULL : memory;
}

/* -> μ̂ (M, G, D), Σ̂ and its root and A (M, G, D, D), b (N with a shift, else M, G, D). Returns 0, or 1 without memory. */
int fold(const problem *p, float *mean, float *cov, float *root, float *matrix, float *vector) {
    int64_t g = p->g, d = p->d;
    ratios r = ratios_of(p);
    float *layer = scratch_of(2 * p->n);
    int failed = !layer;
    if (failed) return 1;
    layer_moments(p, layer, layer + p->n);
#pragma omp parallel num_threads(p->threads) reduction(| : failed) if (p->m * g * d * d > 512)
    {
        float *scratch = scratch_of(newton_scratch((int)d));
        failed = !scratch;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->m * g; k++) {
            if (failed) continue;
            float *own = cov + k * d * d, *to = root + k * d * d;
            mix(p, &r, k / g, k % g, layer[k / g], layer[p->n + k / g], mean + k * d, own);
            if (d == 1) *to = 1 / sqrtf(*own);
            else newton(own, (int)d, p->iterations, scratch, to);
            for (int64_t i = 0; i < d * d; i++)
                matrix[k * d * d + i] = to[i] * (p->weight ? p->weight[k % g * d + i / d] : 1);
        }
        free(scratch);
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->rows * g; k++) {
            int64_t at = p->m == 1 ? k % g : k;
            for (int64_t i = 0; i < d; i++) {
                float sum = p->bias ? p->bias[k % g * d + i] : 0;
                for (int64_t j = 0; j < d; j++)
                    sum -= matrix[(at * d + i) * d + j] * (mean[at * d + j] - (p->shift ? p->shift[k * d + j] : 0));
                vector[k * d + i] = sum;
            }
        }
    }
    free(layer);
    return failed;
}

/* one sample and group, or with M = 1 one group over all samples: S = Σ dy (x − μ̂)ᵀ and Σ dy */
static void centre(const problem *p, int64_t k, const float *mean, const float *total, const float *product, float *s,
                   float *t) {
    int64_t g = p->g, d = p->d, stride = p->m == 1 ? g : p->n * g;
    memset(s, 0, d * d * sizeof(float));
    memset(t, 0, d * sizeof(float));
    for (int64_t at = k; at < p->n * g; at += stride)
        for (int64_t i = 0; i < d; i++) {
            t[i] += total[at * d + i];
            for (int64_t j = 0; j < d; j++)
                s[i * d + j] += product[(at * d + i) * d + j]
                    - total[at * d + i] * (mean[k * d + j] - (p->shift ? p->shift[at * d + j] : 0));
        }
}

/* total (N, G, D), product (N, G, D, D) -> gradients of the parameters, of μ̂ and Σ̂ (M, …) and of the batch moments,
 * which must come in as zeros, as must grad_weight and grad_bias. Returns 0, or 1 without memory. */
int fold_backward(const problem *p, const float *mean, const float *cov, const float *root, const float *matrix,
                  const float *total, const float *product, float *grad_weight, float *grad_bias,
                  float *grad_mean_logits, float *grad_cov_logits, float *mixed_mean, float *mixed_cov,
                  float *batch_mean, float *batch_cov) {
    int64_t g = p->g, d = p->d, own = newton_backward_scratch((int)d, p->iterations);
    ratios r = ratios_of(p);
    float *rows = scratch_of(p->m * g * d * 2 + 2 * p->n); /* Σ_j root_ij S_ij and Σ dy of each; μ_ln and σ_ln */
    double of_mean[WORDS] = {}, of_cov[WORDS] = {};
    int failed = !rows;
    if (failed) return 1;
    float *sums = rows + p->m * g * d, *layer = sums + p->m * g * d;
#pragma omp parallel num_threads(p->threads) reduction(| : failed) if (p->m * g * d * d > 512)
    {
        float *scratch = scratch_of(own + 2 * d * d);
        failed = !scratch;
        float *s = scratch + own, *symmetric = s + d * d;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->m * g; k++) {
            if (failed) continue;
            const float *w = p->weight ? p->weight + k % g * d : NULL;
            centre(p, k, mean, total, product, s, sums + k * d);
            for (int64_t i = 0; i < d; i++) {
                rows[k * d + i] = mixed_mean[k * d + i] = 0;
                for (int64_t j = 0; j < d; j++) {
                    rows[k * d + i] += root[(k * d + i) * d + j] * s[i * d + j];
                    mixed_mean[k * d + i] -= matrix[(k * d + j) * d + i] * sums[k * d + j];
                    symmetric[i * d + j] = ((w ? w[i] : 1) * s[i * d + j] + (w ? w[j] : 1) * s[j * d + i]) / 2;
                }
            }
            if (d == 1) mixed_cov[k] = -0.5f * *symmetric * root[k] * root[k] * root[k];
            else newton_backward(symmetric, cov + k * d * d, (int)d, p->iterations, scratch, mixed_cov + k * d * d);
        }
        free(scratch);
    }
    for (int64_t k = 0; k < p->m * g; k++)
        for (int64_t i = 0; i < d; i++) {
            if (grad_weight) grad_weight[k % g * d + i] += rows[k * d + i];
            if (grad_bias) grad_bias[k % g * d + i] += sums[k * d + i];
        }
    for (int64_t k = 0; k < g; k++)
        mix_backward(p, &r, k, mixed_mean, mixed_cov, of_mean, of_cov, batch_mean, batch_cov);
    of_mean[BN] = of_mean[BW], of_mean[IN] = of_mean[IW];
    layer_moments(p, layer, layer + p->n);
    for (int64_t n = 0; p->at[LN] >= 0 && n < p->n; n++) {
        double of_total, of_trace;
        layer_gradients(p, n, mixed_mean, mixed_cov, &of_total, &of_trace);
        of_mean[LN] += of_total * layer[n], of_cov[LN] += of_trace * layer[p->n + n];
    }
    softmax_backward(p, r.mean, of_mean, grad_mean_logits);
    softmax_backward(p, r.cov, of_cov, grad_cov_logits);
    free(rows);
    return failed;
}

/* -> B (N, G, D, D) and c (N, G, D) with dx = Aᵀ dy + B (x − μ) + c, whose μ is the sample's mean; of_batch may be NULL,
 * share is the weight of a sample in the batch moments. Returns 0, or 1 without memory. */
int input_matrices(const problem *p, const float *mixed_mean, const float *mixed_cov, const float *of_batch_mean,
                   const float *of_batch_cov, double share, int64_t length, float *quadratic, float *vector) {
    int64_t g = p->g, d = p->d, c = g * d;
    ratios r = ratios_of(p);
    float *layer = scratch_of(2 * p->n);
    if (!layer) return 1;
    layer_moments(p, layer, layer + p->n);
#pragma omp parallel for num_threads(p->threads) schedule(static) if (p->n * g * d * d > 2048)
    for (int64_t n = 0; n < p->n; n++) {
        double of_total = 0, of_trace = 0;
        if (p->at[LN] >= 0) layer_gradients(p, n, mixed_mean, mixed_cov, &of_total, &of_trace);
        float through_mean = (float)(of_total * r.mean[LN] / c), through_var = (float)(of_trace * r.cov[LN] / c);
        for (int64_t i = 0; i < c; i++) {
            int64_t at = n * c + i, mixed = p->m == 1 ? i : at, group = i / d * d;
            const float *own = p->sample_mean + at - i; /* of the sample */
            float to_mean = (r.mean[IW] + r.mean[IN]) * mixed_mean[mixed] + through_mean;
            if (p->at[LN] >= 0) to_mean += 2 * through_var * (own[i] - layer[n]);
            if (of_batch_mean) to_mean += (float)share * of_batch_mean[i];
            for (int64_t j = 0; j < d; j++) {
                int diagonal = i - group == j;
                int64_t other = (mixed - i + group + j) * d + i - group; /* (j, i) */
                float to_cov = (r.cov[IW] + (diagonal ? r.cov[IN] : 0)) * (mixed_cov[mixed * d + j] + mixed_cov[other]);
                to_cov += diagonal ? 2 * through_var : 0;
                if (of_batch_cov) {
                    float both = (float)share * (of_batch_cov[i * d + j] + of_batch_cov[(group + j) * d + i - group]);
                    to_cov += both;
                    to_mean += both * (own[group + j] - p->batch_mean[group + j]);
                }
                quadratic[at * d + j] = to_cov / length;
            }
            vector[at] = to_mean / length;
        }
    }
    free(layer);
    return 0;
}

/* the law of total covariance: (N, G, D), (N, G, D, D) -> (1, G, D), (1, G, D, D) */
void pool_moments(const float *mean, const float *cov, int64_t n, int64_t g, int64_t d, float *to_mean, float *to_cov) {
    for (int64_t i = 0; i < g * d; i++) {
        double sum = 0;
        for (int64_t k = 0; k < n; k++) sum += mean[k * g * d + i];
        to_mean[i] = (float)(sum / n);
    }
    for (int64_t i = 0; i < g * d; i++)
        for (int64_t j = 0; j < d; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                const float *own = mean + k * g * d, other = own[i / d * d + j] - to_mean[i / d * d + j];
                sum += cov[(k * g * d + i) * d + j] + (own[i] - to_mean[i]) * other;
            }
            to_cov[i * d + j] = (float)(sum / n);
        }
}
