"""Equations 1 to 7 written as loops over samples and groups in fp64, sharing no code with the package."""

from itertools import combinations

import numpy as np

WORDS = ('bw', 'iw', 'bn', 'in', 'ln')
SUBSETS = [subset for size in range(1, 6) for subset in combinations(WORDS, size)]


def softmax(logits):
    exponents = np.exp(logits - np.max(logits))
    return exponents / exponents.sum()


def moments(columns):
    """Mean (D,) and biased covariance (D, D) of columns (D, anything)."""
    mean = columns.mean(axis=1)
    cov = np.zeros((len(mean), len(mean)))
    for column in columns.T:
        cov += np.outer(column - mean, column - mean)
    return mean, cov / columns.shape[1]


def root_by_eigenvalues(cov):
    values, vectors = np.linalg.eigh(cov)
    return vectors @ np.diag(values**-0.5) @ vectors.T


def root_by_newton(cov, iterations):
    trace = np.trace(cov)
    p = np.eye(len(cov))
    for _ in range(iterations):
        p = 0.5 * (3 * p - p @ p @ p @ (cov / trace))
    return p / np.sqrt(trace)


def switch_whiten(
    x, statistics, group_size, eps, mean_logits, cov_logits, method, iterations, weight, bias, running=None
):
    """SW of x (N, C, H, W); `running`, mean (C,) and covariances (G, D, D), replaces the batch moments: evaluation."""
    n, c = x.shape[:2]
    flat = x.reshape(n, c, -1)
    mean_ratio, cov_ratio = softmax(mean_logits), softmax(cov_logits)
    out = np.empty_like(flat)
    for i in range(n):
        for g in range(c // group_size):
            rows = slice(g * group_size, (g + 1) * group_size)
            if running is None:
                batch_mean, batch_cov = moments(np.concatenate([flat[k, rows] for k in range(n)], axis=1))
            else:
                batch_mean, batch_cov = running[0][rows], running[1][g]
            instance_mean, instance_cov = moments(flat[i, rows])
            ones = np.ones(group_size)
            mus = {
                'bw': batch_mean,
                'bn': batch_mean,
                'iw': instance_mean,
                'in': instance_mean,
                'ln': flat[i].mean() * ones,
            }
            sigmas = {
                'bw': batch_cov,
                'iw': instance_cov,
                'bn': np.diag(np.diag(batch_cov)),
                'in': np.diag(np.diag(instance_cov)),
                'ln': flat[i].var() * np.eye(group_size),
            }
            mu = sum(ratio * mus[word] for ratio, word in zip(mean_ratio, statistics))
            sigma = sum(ratio * (sigmas[word] + eps * np.eye(group_size)) for ratio, word in zip(cov_ratio, statistics))
            if not {'bw', 'iw'} & set(statistics):
                root = np.diag(np.diag(sigma) ** -0.5)
            else:
                root = root_by_eigenvalues(sigma) if method == 'eigh' else root_by_newton(sigma, iterations)
            out[i, rows] = weight[rows, None] * (root @ (flat[i, rows] - mu[:, None])) + bias[rows, None]
    return out.reshape(x.shape)
