/* The widest vector of floats that the processor has. */
#pragma once
#ifdef __AVX512F__
enum { W = 16, TJ = 4 }; /* floats a vector; columns a tile, as many as the registers hold */
#define REGISTER(v) "+v"(v)
#elif defined(__AVX__)
#define REGISTER(v) "+x"(v)
enum { W = 8, TJ = 2 };
#else
#define REGISTER(v) "+m"(v)
enum { W = 4, TJ = 2 };
#endif

typedef float vec __attribute__((vector_size(4 * W)));
