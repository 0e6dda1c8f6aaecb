// The 4-bit product for processors without AVX512-BF16, in whole numbers of 16 bits: x to 1/8191 of the largest of its
// 64 neighbours, a weight to 1/4095 of its block's scale, so that the sum of a block's 64 products fits into 32 bits.
// Weights are packed as bitsandbytes packs them for a CPU: tiles of 32 outputs, [k / 2, 32 bytes] each; the byte b of two
// inputs holds the code of output b / 2 in its low half and of output 16 + b / 2 above, the even b of the first input.

#include "vectors.h"

#include <stdint.h>

enum { INPUTS = 64, OUTPUTS = 32, PAIRS = INPUTS / 2, MOST = 8191, FULL = 4095 };

#ifdef __AVX512VL__
enum { TOGETHER = 4 };  // rows whose sums fit into the registers
#else
enum { TOGETHER = 3 };
#endif

// NF4's levels (Dettmers et al., arXiv:2305.14314, appendix E) in 1/4095.
static const int16_t LEVELS[16] = {-FULL, -2851, -2150, -1617, -1165, -757, -373, 0,
                                   326,   659,   1008,  1384,  1804,  2304, 2961, FULL};

// One row of x [k] in whole numbers, and what a whole step is worth in each block [k / 64].
static void whole_numbers(const float *x, int64_t k, int16_t *whole, float *worth) {
    for (int64_t block = 0; block < k / INPUTS; block++, x += INPUTS, whole += INPUTS) {
        float most = 0;
        for (int i = 0; i < INPUTS; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
        worth[block] = most / MOST;
        __m256 factor = _mm256_set1_ps(most > 0 ? MOST / most : 0);
        for (int i = 0; i < INPUTS; i += 16) {
            __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
            __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), factor));
            __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
            _mm256_storeu_si256((__m256i *)(whole + i), both);
        }
    }
}

typedef struct {  // the bytes of the levels, by code, in each half of a register
    __m256i low, high, mask;
} levels;

static inline levels load_levels(void) {
    uint8_t low[16], high[16];
    for (int i = 0; i < 16; i++) low[i] = (uint8_t)LEVELS[i], high[i] = (uint8_t)((uint16_t)LEVELS[i] >> 8);
    return (levels){_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                    _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high)), _mm256_set1_epi8(15)};
}

// Two inputs' weights: outputs 0-3 and 8-11, 4-7 and 12-15, and the same 16 further on, each with both inputs.
static inline void unpack(const uint8_t *words, levels of, __m256i weights[4]) {
    __m256i bytes = _mm256_loadu_si256((const __m256i *)words);
    __m256i codes[2] = {_mm256_and_si256(bytes, of.mask), _mm256_and_si256(_mm256_srli_epi16(bytes, 4), of.mask)};
    for (int half = 0; half < 2; half++) {
        __m256i low = _mm256_shuffle_epi8(of.low, codes[half]), high = _mm256_shuffle_epi8(of.high, codes[half]);
        weights[2 * half] = _mm256_unpacklo_epi8(low, high);
        weights[2 * half + 1] = _mm256_unpackhi_epi8(low, high);
    }
}

static inline __m256i two_inputs(const int16_t *x) { return _mm256_set1_epi32(*(const int32_t *)x); }

// Add a block's sums to y [32]. scales: bf16 [32].
static inline void add_block(const __m256i sums[4], const uint16_t *scales, float worth, float *y) {
    for (int half = 0; half < 2; half++) {
        __m256i left = _mm256_permute2x128_si256(sums[2 * half], sums[2 * half + 1], 0x20);
        __m256i right = _mm256_permute2x128_si256(sums[2 * half], sums[2 * half + 1], 0x31);
        for (int part = 0; part < 2; part++) {
            int at = 16 * half + 8 * part;
            __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(scales + at)));
            __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
            __m256 sum = _mm256_cvtepi32_ps(part ? right : left);
            scale = _mm256_mul_ps(scale, _mm256_set1_ps(worth / FULL));
            _mm256_storeu_ps(y + at, _mm256_fmadd_ps(sum, scale, _mm256_loadu_ps(y + at)));
        }
    }
}

// A block of a tile for `rows` rows of x, from packed words (a few rows) or from unpacked weights (many).
static inline __attribute__((always_inline)) void multiply_block(
    const uint8_t *words, const __m256i *unpacked, levels of, const int16_t *x, int64_t k, const int rows,
    __m256i sums[TOGETHER][4]) {
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 4; v++) sums[r][v] = _mm256_setzero_si256();
    for (int pair = 0; pair < PAIRS; pair++) {
        __m256i own[4];
        if (!unpacked) unpack(words + pair * OUTPUTS, of, own);
        const __m256i *weights = unpacked ? unpacked + 4 * pair : own;
        for (int r = 0; r < rows; r++) {
            __m256i inputs = two_inputs(x + r * k + 2 * pair);
            for (int v = 0; v < 4; v++)
                sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(weights[v], inputs));
        }
    }
}

static inline __attribute__((always_inline)) void multiply_rows(
    const uint8_t *words, const __m256i *unpacked, levels of, const int16_t *x, const float *worth,
    const uint16_t *scales, int64_t k, const int rows, float *y, int64_t stride) {
    __m256i sums[TOGETHER][4];
    multiply_block(words, unpacked, of, x, k, rows, sums);
    for (int r = 0; r < rows; r++) add_block(sums[r], scales, worth[r * (k / INPUTS)], y + r * stride);
}

// y [m, n] = x W^T of x [m, k] in whole numbers. scales: bf16 [k / 64, n]; stride: of y. m rows share each unpacking.
static void nf4_product(int64_t m, int64_t n, int64_t k, const int16_t *x, const float *worth, const uint8_t *words,
                        const uint16_t *scales, float *y, int64_t stride) {
    levels of = load_levels();
    for (int64_t row = 0; row < m; row++)
        for (int64_t j = 0; j < n; j++) y[row * stride + j] = 0;
    for (int64_t at = 0; at < n; at += OUTPUTS)
        for (int64_t block = 0; block < k / INPUTS; block++) {
            const uint8_t *packed = words + at * k / 2 + block * PAIRS * OUTPUTS;
            const uint16_t *scale = scales + block * n + at;
            const int16_t *inputs = x + block * INPUTS;
            const float *step = worth + block;
            float *to = y + at;
            if (m == 1) {
                multiply_rows(packed, NULL, of, inputs, step, scale, k, 1, to, stride);
                continue;
            }
            __m256i unpacked[4 * PAIRS];
            for (int pair = 0; pair < PAIRS; pair++) unpack(packed + pair * OUTPUTS, of, unpacked + 4 * pair);
            for (int64_t row = 0, rows; row < m; row += rows) {
                rows = m - row >= TOGETHER ? TOGETHER : m - row >= 2 ? 2 : 1;
                const int16_t *of_rows = inputs + row * k;
                const float *steps = step + row * (k / INPUTS);
                if (rows == TOGETHER)
                    multiply_rows(NULL, unpacked, of, of_rows, steps, scale, k, TOGETHER, to + row * stride, stride);
                else if (rows == 2)
                    multiply_rows(NULL, unpacked, of, of_rows, steps, scale, k, 2, to + row * stride, stride);
                else
                    multiply_rows(NULL, unpacked, of, of_rows, steps, scale, k, 1, to + row * stride, stride);
            }
        }
}
