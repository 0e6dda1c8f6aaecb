// The output layer in bf16, for decoder_pass.c: where a processor has no product of bf16, in fp32 of the same values.

typedef struct {  // x [m, k] and weight [n / 32, k / 2, 32, 2] in bf16 -> y [m, n]
    int64_t m, n, k;
    const uint16_t *x, *weight;
    float *y;
} output;

#ifdef OWN_PRODUCT

static inline void project_rows(const output *o, int64_t row, int64_t at, const int rows) {
    for (int half = 0; half < 2; half++) {
        __m512 sums[8];
        for (int r = 0; r < rows; r++) sums[r] = _mm512_setzero_ps();
        const uint16_t *weight = o->weight + at * o->k + half * TILE;
        for (int64_t j = 0; j < o->k; j += 2, weight += 2 * TILE) {
            __m512 first, second;
            two_floats(weight, &first, &second);
            for (int r = 0; r < rows; r++) {
                union { uint32_t bits; float value; } even, odd;
                const uint16_t *x = o->x + (row + r) * o->k + j;
                even.bits = (uint32_t)x[0] << 16, odd.bits = (uint32_t)x[1] << 16;
                sums[r] = _mm512_fmadd_ps(first, _mm512_set1_ps(even.value), sums[r]);
                sums[r] = _mm512_fmadd_ps(second, _mm512_set1_ps(odd.value), sums[r]);
            }
        }
        for (int r = 0; r < rows; r++) _mm512_storeu_ps(o->y + (row + r) * o->n + at + half * WIDTH, sums[r]);
    }
}

#else

static inline void project_rows(const output *o, int64_t row, int64_t at, const int rows) {
    __m512 sums[8][2];
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
    for (int64_t j = 0; j < o->k; j += 2) {
        __m512bh left = (__m512bh)_mm512_loadu_si512(o->weight + at * o->k + j * TILE);
        __m512bh right = (__m512bh)_mm512_loadu_si512(o->weight + at * o->k + (j + 1) * TILE);
        for (int r = 0; r < rows; r++) {
            __m512bh pair = (__m512bh)_mm512_set1_epi32(*(const int32_t *)(o->x + (row + r) * o->k + j));
            sums[r][0] = _mm512_dpbf16_ps(sums[r][0], left, pair);
            sums[r][1] = _mm512_dpbf16_ps(sums[r][1], right, pair);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int half = 0; half < 2; half++) _mm512_storeu_ps(o->y + (row + r) * o->n + at + half * WIDTH, sums[r][half]);
}

#endif

static void project_tile(const void *o_, const void *unused, int64_t i) {
    const output *o = o_;
    int64_t row = 0;
    for (; row + 8 <= o->m; row += 8) project_rows(o, row, i * TILE, 8);
    for (; row + 4 <= o->m; row += 4) project_rows(o, row, i * TILE, 4);
    for (; row < o->m; row++) project_rows(o, row, i * TILE, 1);
    (void)unused;
}

void project(const output *o) {
    begin();
    stage(project_tile, o, NULL, o->n / TILE);
    end();
}
