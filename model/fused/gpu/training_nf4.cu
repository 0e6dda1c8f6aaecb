// bitsandbytes' NF4 weights with double quantisation as bf16, to the bit as bitsandbytes unpacks them.
//
// A thread unpacks 8 weights side by side: 4 bytes in, 16 bytes out. The 16 values of NF4 stand one in each lane of a
// warp, so looking one up is a shuffle. 64 weights share a scale, which is itself packed: an index into a table of 256,
// times the scale of 256 of them, plus an offset.

typedef unsigned int u32;

__device__ __forceinline__ u32 pair_of(float low, float high) {
    u32 word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

// words: codes, 8 to a word, the first of a byte in its high half. count: words.
extern "C" __global__ void __launch_bounds__(256) unpack(
    const u32* __restrict__ words, const unsigned char* __restrict__ scales, const float* __restrict__ scale_table,
    const float* __restrict__ scale_scales, const float* __restrict__ offset, const float* __restrict__ nf4,
    uint4* __restrict__ out, int count) {
    const float mine = nf4[threadIdx.x & 15], shift = *offset;
    const int step = gridDim.x * 256;
    // The lanes of a warp go round together: each of them holds a value that the others look up.
    for (int first = blockIdx.x * 256 + (threadIdx.x & ~31); first < count; first += step) {
        const int at = first + (threadIdx.x & 31);
        const bool inside = at < count;
        const u32 word = inside ? __ldcs(words + at) : 0;
        float scale = 0.f;
        if (inside) scale = __fadd_rn(__fmul_rn(scale_table[scales[at >> 3]], scale_scales[at >> 11]), shift);
        float value[8];
#pragma unroll
        for (int i = 0; i < 8; i++)
            value[i] = __fmul_rn(__shfl_sync(0xffffffff, mine, (word >> (8 * (i >> 1) + (i & 1 ? 0 : 4))) & 15), scale);
        u32 pairs[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
            pairs[i] = pair_of(value[2 * i], value[2 * i + 1]);
        if (inside) out[at] = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    }
}
