/* Equation 6 and its gradient for one sample and group at a time: mixture.py in C, where the mathematics stands.
 *
 * Shapes: sample moments (N, G, D) and (N, G, D, D), batch moments with N = 1, mixed ones with M samples: N where Ω
 * has a statistic of the image, else 1. A moment that is not there is NULL.
 */
#pragma once
#include <math.h>
#include <stdint.h>

enum { BW, IW, BN, IN, LN, WORDS };

typedef struct {
    int64_t n, m, g, d, iterations, threads;
    int64_t rows; /* of b, and of a shift if there is one: N or 1, else M */
    int64_t at[WORDS]; /* where each word's ratio stands among the logits, or −1 */
    int64_t words;
    double eps;
    const float *mean_logits, *cov_logits, *weight, *bias; /* (|Ω|,), (|Ω|,), (C,) or NULL, (C,) or NULL */
    const float *sample_mean, *sample_cov, *batch_mean, *batch_cov, *shift; /* shift (N, G, D) */
} problem;

typedef struct { float mean[WORDS], cov[WORDS]; } ratios;

static void softmax(const float *logits, const problem *p, float *out) {
    double largest = logits[0], sum = 0;
    for (int64_t w = 1; w < p->words; w++) largest = fmax(largest, logits[w]);
    for (int64_t w = 0; w < p->words; w++) sum += exp(logits[w] - largest);
    for (int w = 0; w < WORDS; w++) out[w] = p->at[w] < 0 ? 0 : (float)(exp(logits[p->at[w]] - largest) / sum);
}

static ratios ratios_of(const problem *p) {
    ratios r;
    softmax(p->mean_logits, p, r.mean);
    softmax(p->cov_logits, p, r.cov);
    return r;
}

/* μ_ln and σ_ln of every sample; nothing without the word */
static void layer_moments(const problem *p, float *mean, float *var) {
    int64_t c = p->g * p->d;
    for (int64_t n = 0; p->at[LN] >= 0 && n < p->n; n++) {
        const float *channel = p->sample_mean + n * c, *cov = p->sample_cov + n * c * p->d;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < c; i++) sum += channel[i];
        for (int64_t i = 0; i < c; i++) {
            double deviation = channel[i] - sum / c;
            squares += cov[i * p->d + i % p->d] + deviation * deviation;
        }
        mean[n] = (float)(sum / c);
        var[n] = (float)(squares / c);
    }
}

/* whether Ω has a statistic of the image: then μ̂ is kept as seen from the image's mean, since of means far from zero
 * that are nearly equal the rounding may be larger than the differences */
static int has_image_statistic(const problem *p) { return p->at[IW] >= 0 || p->at[IN] >= 0 || p->at[LN] >= 0; }

/* Equation 6 for one sample and group */
static void mix(const problem *p, const ratios *r, int64_t n, int64_t g, float layer_mean, float layer_var, float *mean,
                float *cov) {
    int64_t d = p->d, at = n * p->g + g;
    float batch = p->batch_mean ? r->mean[BW] + r->mean[BN] : 0;
    for (int64_t i = 0; i < d; i++) {
        if (has_image_statistic(p)) {
            float origin = p->sample_mean[at * d + i];
            mean[i] = p->at[LN] < 0 ? 0 : r->mean[LN] * (layer_mean - origin);
            if (batch != 0) mean[i] += batch * (p->batch_mean[g * d + i] - origin);
        } else mean[i] = p->batch_mean[g * d + i];
        for (int64_t j = 0; j < d; j++) {
            float sum = i == j ? (float)p->eps + (p->at[LN] < 0 ? 0 : r->cov[LN] * layer_var) : 0;
            float of_batch = r->cov[BW] + (i == j ? r->cov[BN] : 0), of_sample = r->cov[IW] + (i == j ? r->cov[IN] : 0);
            if (p->batch_cov && of_batch != 0) sum += of_batch * p->batch_cov[(g * d + i) * d + j];
            if (p->sample_cov && of_sample != 0) sum += of_sample * p->sample_cov[(at * d + i) * d + j];
            cov[i * d + j] = sum;
        }
    }
}

static void softmax_backward(const problem *p, const float *ratio, const double *grad, float *to_logits) {
    double sum = 0;
    for (int w = 0; w < WORDS; w++) sum += ratio[w] * grad[w];
    for (int w = 0; w < WORDS; w++)
        if (p->at[w] >= 0) to_logits[p->at[w]] = (float)(ratio[w] * (grad[w] - sum));
}

/* adds to the gradients of the ratios, and gives those of the batch moments, of one group; layer has μ_ln of every
 * sample. The means are as seen from that of the batch, or else of the sample itself: see mixture.py. */
static void mix_backward(const problem *p, const ratios *r, int64_t g, const float *layer, const float *mixed_mean,
                         const float *mixed_cov, double *of_mean, double *of_cov, float *batch_mean,
                         float *batch_cov) {
    int64_t d = p->d;
    for (int64_t m = 0; m < p->m; m++)
        for (int64_t i = 0; i < d; i++) {
            int64_t at = (m * p->g + g) * d + i, in_batch = g * d + i;
            float grad = mixed_mean[at], origin = p->batch_mean ? p->batch_mean[in_batch] : p->sample_mean[at];
            if (p->batch_mean) batch_mean[in_batch] += grad;
            if (p->sample_mean) of_mean[IW] += (double)grad * (p->sample_mean[at] - origin);
            if (p->at[LN] >= 0) of_mean[LN] += (double)grad * (layer[m] - origin);
            for (int64_t j = 0; j < d; j++) {
                float other = mixed_cov[at * d + j];
                if (p->batch_cov) {
                    double product = other * p->batch_cov[in_batch * d + j];
                    of_cov[BW] += product;
                    if (i == j) of_cov[BN] += product;
                    batch_cov[in_batch * d + j] += other * (r->cov[BW] + (i == j ? r->cov[BN] : 0));
                }
                if (p->sample_cov) {
                    double product = other * p->sample_cov[at * d + j];
                    of_cov[IW] += product;
                    if (i == j) of_cov[IN] += product;
                }
            }
        }
    for (int64_t i = g * d; p->batch_mean && i < (g + 1) * d; i++) batch_mean[i] *= r->mean[BW] + r->mean[BN];
}

/* Σ of dL/dμ̂ and of the diagonal of dL/dΣ̂ over the channels of a sample */
static void layer_gradients(const problem *p, int64_t n, const float *mixed_mean, const float *mixed_cov, double *total,
                            double *trace) {
    int64_t c = p->g * p->d;
    *total = *trace = 0;
    for (int64_t i = n * c; i < (n + 1) * c; i++) {
        *total += mixed_mean[i];
        *trace += mixed_cov[i * p->d + i % p->d];
    }
}
