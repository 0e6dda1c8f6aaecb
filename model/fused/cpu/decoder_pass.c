// All layers of a decoder that model/fused/families.py knows, and its output layer, for a few tokens on a CPU: what
// model/fused/decode_step.py does with torch. With AVX512-BF16 the 4-bit product is bitsandbytes' own, handed in, else
// that of nf4_product.h (OWN_PRODUCT); what is around it is fp32.

#include "thread_pool.h"

#include <math.h>

#include "nf4_product.h"

enum { BLOCK = 64, TILE = 32, WIDTH = 16 };
enum { UNGATED, SILU, GELU };  // what a gate's numbers go through

// Layers that share their input, [n, k], and their LoRA pairs, [slots, parts * rank, k] and [slots, parts * rank, n].
typedef struct {
    int64_t k, n, tasks, rank, parts, ends[3], hidden, gate, residual;
    const uint8_t *words;
    const uint16_t *scales;  // [k / 64, n] of the outputs of each task in turn
    const float *a, *b, *bias, *norm, *after;  // norms of what goes in and, with `residual`, of what comes out
    float factor;            // of what comes out
} linear;

typedef struct {
    linear qkv, out, gate_up, down;
    const float *q_norm, *k_norm;  // of each head, or `wide`: of all at once
    const float *cos, *sin;        // [length, dim]
    float *keys, *values;          // [rows, kv, length, dim]
    int64_t window, turned, wide;  // `turned`: numbers of a head that its position turns
    float scale;
} layer;

// m tokens: their hidden states, positions, the rows of the cache that they belong to, and the slots of their adapters.
typedef struct {
    int64_t m, layers, heads, kv, dim, length;
    void (*product)(int64_t m, int64_t n, int64_t k, const uint16_t *x, const uint8_t *words, const uint16_t *scales,
                    uint16_t *out, int64_t block, int64_t x_stride, int64_t out_stride);
    const layer *layer;
    const int64_t *positions, *owners;
    const int32_t *slots;    // below 0: no adapter
    const int64_t *ranks;    // of the adapter in each slot; what is beyond in a linear's is zero
    float *hidden, *x, *y, *low;  // scratch: x, y [m, widest], low [m, parts * rank]
    uint16_t *narrow, *sums;      // bf16: x, and a product before its end
    float eps;
} pass;

static inline float dot(const float *x, const float *y, int64_t n) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += WIDTH) sum = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i), sum);
    return _mm512_reduce_add_ps(sum);
}

// LoRA's A [rank, k] of x. Rows of several adapters come from memory: four at once, and the next four are asked for.
static void lora_a(const float *x, const float *a, int64_t rank, int64_t k, float *low) {
    int64_t r = 0;
    for (; r + 4 <= rank; r += 4, a += 4 * k) {
        __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int64_t i = 0; i < k; i += WIDTH) {
            __m512 part = _mm512_loadu_ps(x + i);
            for (int s = 0; s < 4; s++) {
                sums[s] = _mm512_fmadd_ps(part, _mm512_loadu_ps(a + s * k + i), sums[s]);
                _mm_prefetch((const char *)(a + (s + 4) * k + i), _MM_HINT_T0);
            }
        }
        for (int s = 0; s < 4; s++) low[r + s] = _mm512_reduce_add_ps(sums[s]);
    }
    for (; r < rank; r++, a += k) low[r] = dot(x, a, k);
}

// Add B (A x) to y [n], with the first n columns of B [rank, stride]; `next` is the B that is read after it.
static void add_lora(const float *low, const float *b, const float *next, int64_t rank, int64_t stride, int64_t n, float *y) {
    int64_t r = 0;
    for (; r + 4 <= rank; r += 4, b += 4 * stride) {
        const float *ahead = r + 8 <= rank ? b + 4 * stride : next;
        __m512 x[4];
        for (int s = 0; s < 4; s++) x[s] = _mm512_set1_ps(low[r + s]);
        for (int64_t j = 0; j < n; j += WIDTH) {
            __m512 sum = _mm512_loadu_ps(y + j);
            for (int s = 0; s < 4; s++) {
                sum = _mm512_fmadd_ps(x[s], _mm512_loadu_ps(b + s * stride + j), sum);
                _mm_prefetch((const char *)(ahead + s * stride + j), _MM_HINT_T0);
            }
            _mm512_storeu_ps(y + j, sum);
        }
    }
    for (; r < rank; r++, b += stride)
        for (int64_t j = 0; j < n; j++) y[j] += low[r] * b[j];
}

static void rms_norm(const float *x, const float *weight, float eps, int64_t n, float *y) {
    float factor = 1 / sqrtf(dot(x, x, n) / n + eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor * weight[i];
}

// e^x to 2e-7, the polynomial of Cephes' expf; written out so that the compiler computes many at once.
static inline float exponential(float x) {
    x = x < -87 ? -87 : x > 88 ? 88 : x;
    float whole = rintf(x * 1.44269504f), r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    float y = ((((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r + 4.1665795894e-2f) * r +
               1.6666665459e-1f) * r + 5.0000001201e-1f;
    union { int32_t bits; float value; } power = {((int32_t)whole + 127) << 23};
    return (y * r * r + r + 1) * power.value;
}

// 0.5 x (1 + tanh(u)) is x / (1 + e^-2u), with u = sqrt(2 / pi) (x + 0.044715 x^3) (arXiv:1606.08415).
static inline float gelu(float x) { return x / (1 + exponential(-1.59576912f * (x + 0.044715f * x * x * x))); }

#ifdef OWN_PRODUCT  // x in whole numbers, after it what they are worth, and sums in fp32: as much room as bf16 leaves

static inline float *worth_of(const pass *p, int64_t k) { return (float *)(p->narrow + p->m * k); }

static inline void narrow(const pass *p, int64_t k, const float *x, int64_t row) {
    whole_numbers(x, k, (int16_t *)p->narrow + row * k, worth_of(p, k) + row * (k / BLOCK));
}

static inline void product(const pass *p, const linear *l, int64_t from, int64_t to) {
    nf4_product(p->m, to - from, l->k, (const int16_t *)p->narrow, worth_of(p, l->k), l->words + from * l->k / 2,
                l->scales + from * (l->k / BLOCK), (float *)p->sums + from, l->n);
}

static inline float sum_of(const pass *p, int64_t at) { return ((const float *)p->sums)[at]; }

#else

static inline void narrow(const pass *p, int64_t k, const float *x, int64_t row) {
    for (int64_t i = 0; i < k; i += WIDTH)
        _mm256_storeu_si256((__m256i *)(p->narrow + row * k + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
}

static inline void product(const pass *p, const linear *l, int64_t from, int64_t to) {
    p->product(p->m, to - from, l->k, p->narrow, l->words + from * l->k / 2, l->scales + from * (l->k / BLOCK),
               p->sums + from, BLOCK, l->k, l->n);
}

static inline float sum_of(const pass *p, int64_t at) {
    union { uint32_t bits; float value; } sum = {(uint32_t)p->sums[at] << 16};
    return sum.value;
}

#endif

// The input of `of` for one token, in fp32 and as the product reads it, and LoRA's A of it.
static void prepare(const void *pass_, const void *of, int64_t row) {
    const pass *p = pass_;
    const linear *l = of;
    float *x = p->x + row * l->k, *gate = p->y + row * 2 * l->k, *up = gate + l->k;
    if (l->norm) rms_norm(p->hidden + row * l->k, l->norm, p->eps, l->k, x);
    else if (l->hidden) x = p->hidden + row * l->k;
    for (int64_t i = 0; l->gate == SILU && i < l->k; i++) x[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
    for (int64_t i = 0; l->gate == GELU && i < l->k; i++) x[i] = gelu(gate[i]) * up[i];
    narrow(p, l->k, x, row);
    int64_t slot = p->slots[row], all = l->parts * l->rank;
    for (int64_t part = 0; slot >= 0 && part < l->parts; part++) {
        int64_t r = part * l->rank;
        lora_a(x, l->a + (slot * all + r) * l->k, p->ranks[slot], l->k, p->low + row * all + r);
        for (int64_t i = r; i < r + p->ranks[slot]; i++) p->low[row * all + i] *= l->factor;
    }
}

// Some outputs of `of` for all tokens: W x + B (A x) + bias, added to the hidden states or instead of y, where a norm of
// them waits for the others.
static void multiply(const void *pass_, const void *of, int64_t i) {
    const pass *p = pass_;
    const linear *l = of;
    int64_t tiles = l->n / TILE, from = tiles * i / l->tasks * TILE, to = tiles * (i + 1) / l->tasks * TILE;
    product(p, l, from, to);
    for (int64_t row = 0, all = l->parts * l->rank; row < p->m; row++) {
        int64_t slot = p->slots[row];
        int added = l->residual && !l->after;
        float *y = (added ? p->hidden : p->y) + row * l->n;
        for (int64_t j = from; j < to; j++) {
            y[j] = l->factor * (sum_of(p, row * l->n + j) + (l->bias ? l->bias[j] : 0)) + (added ? y[j] : 0);
        }
        for (int64_t part = 0; slot >= 0 && part < l->parts; part++) {
            int64_t start = part ? l->ends[part - 1] : 0, end = l->ends[part] < to ? l->ends[part] : to;
            if (start < from) start = from;
            if (start >= end) continue;
            int64_t r = part * l->rank, next = row + 1 < p->m && p->slots[row + 1] >= 0 ? p->slots[row + 1] : slot;
            const float *b = l->b + r * l->n + start;
            add_lora(p->low + row * all + r, b + slot * all * l->n, b + next * all * l->n, p->ranks[slot], l->n, end - start,
                  y + start);
        }
    }
}

// The norm of all outputs of one token is added to its hidden states.
static void add_normed(const void *pass_, const void *of, int64_t row) {
    const pass *p = pass_;
    const linear *l = of;
    float *y = p->y + row * l->n, *hidden = p->hidden + row * l->n;
    rms_norm(y, l->after, p->eps, l->n, y);
    for (int64_t i = 0; i < l->n; i++) hidden[i] += y[i];
}

// Of one token queries and keys are normed and turned; keys and values go to the cache.
static void store(const void *pass_, const void *of, int64_t row) {
    const pass *p = pass_;
    const layer *l = of;
    int64_t dim = p->dim, half = l->turned / 2, all = p->heads + 2 * p->kv, place = p->positions[row];
    const float *cos = l->cos + place * dim, *sin = l->sin + place * dim;
    float *queries = p->y + row * all * dim, *keys = queries + p->heads * dim;
    if (l->wide) rms_norm(queries, l->q_norm, p->eps, p->heads * dim, queries);
    if (l->wide) rms_norm(keys, l->k_norm, p->eps, p->kv * dim, keys);
    for (int64_t head = 0; head < all; head++) {
        float *x = queries + head * dim;
        if (head < p->heads + p->kv) {
            if (l->q_norm && !l->wide) rms_norm(x, head < p->heads ? l->q_norm : l->k_norm, p->eps, dim, x);
            for (int64_t j = 0; j < half; j++) {
                float first = x[j], second = x[j + half];
                x[j] = first * cos[j] - second * sin[j];
                x[j + half] = second * cos[j + half] + first * sin[j + half];
            }
        }
        if (head < p->heads) continue;
        float *cache = head < p->heads + p->kv ? l->keys : l->values;
        cache += ((p->owners[row] * p->kv + (head - p->heads) % p->kv) * p->length + place) * dim;
        for (int64_t j = 0; j < dim; j++) cache[j] = x[j];
    }
}

// One head of one token.
static void attend(const void *pass_, const void *of, int64_t i) {
    const pass *p = pass_;
    const layer *l = of;
    int64_t dim = p->dim, row = i / p->heads, head = i % p->heads, place = p->positions[row];
    int64_t first = l->window && place >= l->window ? place + 1 - l->window : 0, count = place + 1 - first;
    int64_t start = ((p->owners[row] * p->kv + head * p->kv / p->heads) * p->length + first) * dim;
    const float *q = p->y + (row * (p->heads + 2 * p->kv) + head) * dim;
    float scores[count], most = -INFINITY, total = 0;
    for (int64_t j = 0; j < count; j++) {
        scores[j] = l->scale * dot(q, l->keys + start + j * dim, dim);
        most = scores[j] > most ? scores[j] : most;
    }
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < count; j++) total += scores[j] = exponential(scores[j] - most);
    for (int64_t v = 0; v < dim; v += 2 * WIDTH) {
        __m512 left = _mm512_setzero_ps(), right = left, share = _mm512_set1_ps(1 / total);
        const float *value = l->values + start + v;
        for (int64_t j = 0; j < count; j++, value += dim) {
            left = _mm512_fmadd_ps(_mm512_set1_ps(scores[j]), _mm512_loadu_ps(value), left);
            right = _mm512_fmadd_ps(_mm512_set1_ps(scores[j]), _mm512_loadu_ps(value + WIDTH), right);
        }
        _mm512_storeu_ps(p->x + i * dim + v, _mm512_mul_ps(left, share));
        _mm512_storeu_ps(p->x + i * dim + v + WIDTH, _mm512_mul_ps(right, share));
    }
}

#ifdef OWN_PRODUCT
// y [m, n] = x W^T of x [m, k] in fp32, alone: `whole` [m, k] and `worth` [m, k / 64] are scratch.
void multiply_alone(int64_t m, int64_t n, int64_t k, const float *x, int16_t *whole, float *worth, const uint8_t *words,
                    const uint16_t *scales, float *y) {
    for (int64_t row = 0; row < m; row++) whole_numbers(x + row * k, k, whole + row * k, worth + row * (k / BLOCK));
    nf4_product(m, n, k, whole, worth, words, scales, y, n);
}
#endif

void pass_layers(const pass *p) {
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    begin();
    for (const layer *l = p->layer; l < p->layer + p->layers; l++)
        for (const linear *next = &l->qkv; next <= &l->down; next++) {
            stage(prepare, p, next, p->m);
            stage(multiply, p, next, next->tasks);
            if (next->after) stage(add_normed, p, next, p->m);
            if (next != &l->qkv) continue;
            stage(store, p, l, p->m);
            stage(attend, p, l, p->m * p->heads);
        }
    end();
    omp_set_num_threads(threads);
}

#include "output_layer.h"
