/* The widest vector of floats that the processor has, for gcc and clang, and small things that all files use. */
#pragma once
#include <stdint.h>
#include <stdlib.h>

/* W floats a vector; TJ vectors across a tile, as many as the registers hold beside TI = 4 rows */
#ifdef __AVX512F__
enum { W = 16, TJ = 4 };
#define REGISTER(v) "+v"(v)
#elif defined(__AVX__)
enum { W = 8, TJ = 2 };
#define REGISTER(v) "+x"(v)
#else
enum { W = 4, TJ = 2 };
#define REGISTER(v) "+m"(v)
#endif

typedef float vec __attribute__((vector_size(4 * W)));
typedef float loose __attribute__((vector_size(4 * W), aligned(4))); /* a vector anywhere in memory */

/* a value in a register: without it, gcc loads the value again for every use */
#define HELD(v) ({ vec held = v; __asm__("" : REGISTER(held)); held; })

/* what Python calls; all else is hidden, so that no other library's `moments` meets ours */
#define EXPORT __attribute__((visibility("default")))

/* `count` floats on the heap, aligned for vectors, and with room for the one that may be read behind the last element;
 * NULL without memory. Blocks and matrices live there, not on the stack: a thread may have little of it. */
static inline float *scratch_of(int64_t count) {
    void *memory = NULL;
    return posix_memalign(&memory, 64, (count + W) * sizeof(float)) ? NULL : memory;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }
