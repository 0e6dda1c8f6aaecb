// Sixteen floats at once where the processor has no AVX-512: its operations that the pass uses, on two registers of AVX2.

#include <immintrin.h>

#ifndef __AVX512F__

typedef struct {
    __m256 low, high;
} wide;

static inline wide wide_pair(__m256 low, __m256 high) { return (wide){low, high}; }

static inline wide wide_load(const float *x) { return wide_pair(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)); }

static inline wide wide_set(float x) { return wide_pair(_mm256_set1_ps(x), _mm256_set1_ps(x)); }

static inline void wide_store(float *to, wide x) {
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
}

static inline wide wide_fmadd(wide x, wide y, wide sum) {
    return wide_pair(_mm256_fmadd_ps(x.low, y.low, sum.low), _mm256_fmadd_ps(x.high, y.high, sum.high));
}

static inline wide wide_mul(wide x, wide y) {
    return wide_pair(_mm256_mul_ps(x.low, y.low), _mm256_mul_ps(x.high, y.high));
}

static inline float wide_sum(wide x) {
    __m256 half = _mm256_add_ps(x.low, x.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

#define __m512 wide
#define _mm512_setzero_ps() wide_set(0)
#define _mm512_set1_ps wide_set
#define _mm512_loadu_ps wide_load
#define _mm512_storeu_ps wide_store
#define _mm512_fmadd_ps wide_fmadd
#define _mm512_mul_ps wide_mul
#define _mm512_reduce_add_ps wide_sum

// Sixteen pairs of bf16, the first and the second of each.
static inline void two_floats(const uint16_t *pairs, wide *first, wide *second) {
    const __m256i *at = (const __m256i *)pairs, odd = _mm256_set1_epi32(0xffff0000);
    __m256i low = _mm256_loadu_si256(at), high = _mm256_loadu_si256(at + 1);
    first->low = _mm256_castsi256_ps(_mm256_slli_epi32(low, 16));
    first->high = _mm256_castsi256_ps(_mm256_slli_epi32(high, 16));
    second->low = _mm256_castsi256_ps(_mm256_and_si256(low, odd));
    second->high = _mm256_castsi256_ps(_mm256_and_si256(high, odd));
}

#else

static inline void two_floats(const uint16_t *pairs, __m512 *first, __m512 *second) {
    __m512i both = _mm512_loadu_si512(pairs);
    *first = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    *second = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(0xffff0000)));
}

#endif
