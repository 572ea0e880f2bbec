/* Everything between the two passes on a CPU: maths/algebra.py in C, where the mathematics stands, and the shapes in
 * mixture.h. What there are many small operations on many small matrices is here one loop, with no dispatch.
 */
#include "mixture.h"
#include "newton.h"

/* elements of all matrices up to which one thread is done before a second one would have begun */
enum { FEW = 512, FEW_INPUTS = 4 * FEW }; /* an element of the latter costs less: no products of matrices */

/* A = γ Σ̂^(−1/2) of matrix k = (m, g) */
static void scale_by_weight(const problem *p, int64_t k, const float *root, float *matrix) {
    int64_t d = p->d;
    const float *weight = p->weight ? p->weight + k % p->g * d : NULL;
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < d; j++) matrix[i * d + j] = root[i * d + j] * (weight ? weight[i] : 1);
}

/* element j of μ̂ − shift of sample and group k = (n, g); mean is μ̂ as `mix` gives it */
static float offset_of(const problem *p, int64_t k, const float *mean, int64_t j) {
    int64_t d = p->d, group = k % p->g;
    float shift = p->shift ? p->shift[(p->rows == 1 ? group : k) * d + j] : 0;
    if (!has_image_statistic(p)) return mean[group * d + j] - shift;
    return mean[k * d + j] + (p->sample_mean[k * d + j] - shift);
}

/* b = β − A (μ̂ − shift) of row k = (n, g) */
static void vector_of(const problem *p, int64_t k, const float *matrices, const float *means, float *vector) {
    int64_t d = p->d, map = p->m == 1 ? k % p->g : k;
    const float *matrix = matrices + map * d * d;
    for (int64_t i = 0; i < d; i++) {
        float sum = p->bias ? p->bias[k % p->g * d + i] : 0;
        for (int64_t j = 0; j < d; j++) sum -= matrix[i * d + j] * offset_of(p, k, means, j);
        vector[i] = sum;
    }
}

/* -> μ̂ (M, G, D), Σ̂ and its root and A (M, G, D, D), b (N with a shift, else M, G, D). Returns 0, or 1 without
 * memory. */
EXPORT int sw_mix_to_affine(const problem *p, float *mean, float *cov, float *root, float *matrix, float *vector) {
    int64_t g = p->g, d = p->d;
    ratios r = ratios_of(p);
    float *layer = scratch_of(2 * p->n);
    int failed = !layer;
    if (failed) return 1;
    layer_moments(p, layer, layer + p->n);
#pragma omp parallel num_threads(p->threads) reduction(| : failed) if (p->m * g * d * d > FEW)
    {
        float *scratch = scratch_of(newton_scratch((int)d));
        failed = !scratch;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->m * g; k++) {
            if (failed) continue;
            float *mixed = cov + k * d * d, *to = root + k * d * d;
            mix(p, &r, k / g, k % g, layer[k / g], layer[p->n + k / g], mean + k * d, mixed);
            if (d == 1) *to = 1 / sqrtf(*mixed);
            else newton(mixed, (int)d, p->iterations, scratch, to);
            scale_by_weight(p, k, to, matrix + k * d * d);
        }
        free(scratch);
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->rows * g; k++) vector_of(p, k, matrix, mean, vector + k * d);
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
                s[i * d + j] += product[(at * d + i) * d + j] - total[at * d + i] * offset_of(p, at, mean, j);
        }
}

/* what the backward reads, M matrices or vectors each, and what of it is summed over samples afterwards */
typedef struct {
    const float *mean, *cov, *root, *matrix, *total, *product;
    float *rows, *sums; /* Σ_j root_ij S_ij and Σ dy of each, (M, G, D) */
} backward_state;

/* gradients of μ̂ and Σ̂ of matrix k = (m, g) */
static void backward_through_root(const problem *p, backward_state b, int64_t k, float *scratch, float *to_mean,
                                  float *to_cov) {
    int64_t d = p->d;
    const float *w = p->weight ? p->weight + k % p->g * d : NULL, *root = b.root + k * d * d, *sums = b.sums + k * d;
    float *s = scratch + newton_backward_scratch((int)d, p->iterations), *symmetric = s + d * d;
    centre(p, k, b.mean, b.total, b.product, s, b.sums + k * d);
    for (int64_t i = 0; i < d; i++) {
        b.rows[k * d + i] = to_mean[i] = 0;
        for (int64_t j = 0; j < d; j++) {
            b.rows[k * d + i] += root[i * d + j] * s[i * d + j];
            to_mean[i] -= b.matrix[(k * d + j) * d + i] * sums[j];
            symmetric[i * d + j] = ((w ? w[i] : 1) * s[i * d + j] + (w ? w[j] : 1) * s[j * d + i]) / 2;
        }
    }
    if (d == 1) *to_cov = -0.5f * *symmetric * *root * *root * *root;
    else newton_backward(symmetric, b.cov + k * d * d, (int)d, p->iterations, scratch, to_cov);
}

/* gradients of the logits and of the batch moments from those of μ̂ and Σ̂; layer has μ_ln and σ_ln of every sample */
static void backward_through_mixture(const problem *p, const float *layer, const float *mixed_mean,
                                     const float *mixed_cov, float *grad_mean_logits, float *grad_cov_logits,
                                     float *batch_mean, float *batch_cov) {
    ratios r = ratios_of(p);
    double of_mean[WORDS] = {}, of_cov[WORDS] = {};
    for (int64_t k = 0; k < p->g; k++)
        mix_backward(p, &r, k, layer, mixed_mean, mixed_cov, of_mean, of_cov, batch_mean, batch_cov);
    of_mean[IN] = of_mean[IW];
    for (int64_t n = 0; p->at[LN] >= 0 && n < p->n; n++) {
        double of_total, of_trace;
        layer_gradients(p, n, mixed_mean, mixed_cov, &of_total, &of_trace);
        of_cov[LN] += of_trace * layer[p->n + n];
    }
    softmax_backward(p, r.mean, of_mean, grad_mean_logits);
    softmax_backward(p, r.cov, of_cov, grad_cov_logits);
}

/* total (N, G, D), product (N, G, D, D) -> gradients of the parameters, of μ̂ and Σ̂ (M, …) and of the batch moments,
 * which must come in as zeros, as must grad_weight and grad_bias. Returns 0, or 1 without memory. */
EXPORT int sw_mix_to_affine_backward(const problem *p, const float *mean, const float *cov, const float *root,
                                     const float *matrix, const float *total, const float *product, float *grad_weight,
                                     float *grad_bias, float *grad_mean_logits, float *grad_cov_logits,
                                     float *mixed_mean, float *mixed_cov, float *batch_mean, float *batch_cov) {
    int64_t g = p->g, d = p->d, values = p->m * g * d;
    float *rows = scratch_of(2 * values + 2 * p->n), *sums = rows + values, *layer = sums + values;
    int failed = !rows;
    if (failed) return 1;
    backward_state b = {mean, cov, root, matrix, total, product, rows, sums};
#pragma omp parallel num_threads(p->threads) reduction(| : failed) if (values * d > FEW)
    {
        float *scratch = scratch_of(newton_backward_scratch((int)d, p->iterations) + 2 * d * d);
        failed = !scratch;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->m * g; k++)
            if (!failed) backward_through_root(p, b, k, scratch, mixed_mean + k * d, mixed_cov + k * d * d);
        free(scratch);
    }
    for (int64_t i = 0; i < values; i++) {
        if (grad_weight) grad_weight[i % (g * d)] += rows[i];
        if (grad_bias) grad_bias[i % (g * d)] += sums[i];
    }
    layer_moments(p, layer, layer + p->n);
    backward_through_mixture(p, layer, mixed_mean, mixed_cov, grad_mean_logits, grad_cov_logits, batch_mean, batch_cov);
    free(rows);
    return failed;
}
/* -> B (N, G, D, D) and c (N, G, D) with dx = Aᵀ dy + B (x − μ) + c, whose μ is the sample's mean; of_batch may be
 * NULL, share is the weight of a sample in the batch moments. Returns 0, or 1 without memory. */
EXPORT int sw_input_matrices(const problem *p, const float *mixed_mean, const float *mixed_cov,
                             const float *of_batch_mean, const float *of_batch_cov, double share, int64_t length,
                             float *quadratic, float *vector) {
    int64_t g = p->g, d = p->d, c = g * d;
    ratios r = ratios_of(p);
    float *layer = scratch_of(2 * p->n);
    if (!layer) return 1;
    layer_moments(p, layer, layer + p->n);
#pragma omp parallel for num_threads(p->threads) schedule(static) if (p->n * g * d * d > FEW_INPUTS)
    for (int64_t n = 0; n < p->n; n++) {
        double of_total = 0, of_trace = 0;
        if (p->at[LN] >= 0) layer_gradients(p, n, mixed_mean, mixed_cov, &of_total, &of_trace);
        float through_mean = (float)(of_total * r.mean[LN] / c), through_var = (float)(of_trace * r.cov[LN] / c);
        for (int64_t i = 0; i < c; i++) {
            int64_t at = n * c + i, mixed = p->m == 1 ? i : at, group = i / d * d;
            const float *means = p->sample_mean + n * c;
            float to_mean = (r.mean[IW] + r.mean[IN]) * mixed_mean[mixed] + through_mean;
            if (p->at[LN] >= 0) to_mean += 2 * through_var * (means[i] - layer[n]);
            if (of_batch_mean) to_mean += (float)share * of_batch_mean[i];
            for (int64_t j = 0; j < d; j++) {
                int diagonal = i - group == j;
                int64_t other = (mixed - i + group + j) * d + i - group; /* (j, i) */
                float to_cov = (r.cov[IW] + (diagonal ? r.cov[IN] : 0)) * (mixed_cov[mixed * d + j] + mixed_cov[other]);
                to_cov += diagonal ? 2 * through_var : 0;
                if (of_batch_cov) {
                    float both = (float)share * (of_batch_cov[i * d + j] + of_batch_cov[(group + j) * d + i - group]);
                    to_cov += both;
                    to_mean += both * (means[group + j] - p->batch_mean[group + j]);
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
EXPORT void sw_pool_moments(const float *mean, const float *cov, int64_t n, int64_t g, int64_t d, float *to_mean,
                            float *to_cov) {
    for (int64_t i = 0; i < g * d; i++) {
        double sum = 0;
        for (int64_t k = 0; k < n; k++) sum += mean[k * g * d + i];
        to_mean[i] = (float)(sum / n);
    }
    for (int64_t i = 0; i < g * d; i++)
        for (int64_t j = 0; j < d; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                int64_t column = i / d * d + j;
                const float *sample = mean + k * g * d, other = sample[column] - to_mean[column];
                sum += cov[(k * g * d + i) * d + j] + (sample[i] - to_mean[i]) * other;
            }
            to_cov[i * d + j] = (float)(sum / n);
        }
}
