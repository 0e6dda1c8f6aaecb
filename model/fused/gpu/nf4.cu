// NF4 products for a few rows, and NF4 weights as bf16: each weight is read from memory once, in 4 bits.
//
// Layout: a tile is 16 outputs x 64 inputs, the inputs that share one scale. The 32 lanes of a warp hold 16 bytes of it
// each: lane 4 g + t has inputs 16 t to 16 t + 15 of outputs g and g + 8, two codes to a byte as bitsandbytes packs them
// (the first in the high half). That is the A operand of four mma.m16n8k16 once the codes are looked up; which input
// stands in which column does not matter as long as the B operand agrees, so x is read 16 inputs at a time, too. Four
// tiles side by side make a group, whose scales lie together: 4 tiles x outputs g and g + 8 in one 16-byte word.
//
// A table in shared memory turns a byte into a pair of bf16 values. It is written 32 times, once for each lane's bank:
// one shift, one bit operation and one conflict-free load for two weights. (PTX ISA 9.0, "mma.m16n8k16" and its
// fragments; M is the number of rows of x.)

typedef unsigned int u32;

__device__ __forceinline__ void multiply(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The two fp16 values of a word.
__device__ __forceinline__ float2 halves(u32 word) {
    float2 f;
    asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h;}" : "=f"(f.x), "=f"(f.y) : "r"(word));
    return f;
}

__device__ __forceinline__ u32 part(const uint4& word, int index) {
    return index == 0 ? word.x : index == 1 ? word.y : index == 2 ? word.z : word.w;
}

// 16 bf16 values from an even element of a row, or zeros.
__device__ __forceinline__ void sixteen(u32 (&to)[8], const u32* row, bool inside) {
    uint4 p = make_uint4(0, 0, 0, 0), q = p;
    if (inside) {
        p = __ldg((const uint4*)row);
        q = __ldg((const uint4*)row + 1);
    }
    to[0] = p.x, to[1] = p.y, to[2] = p.z, to[3] = p.w, to[4] = q.x, to[5] = q.y, to[6] = q.z, to[7] = q.w;
}

// The four byte pairs of a word: table entries of this lane's bank.
__device__ __forceinline__ void look_up(u32 (&to)[8], int from, const char* table, u32 bank, u32 word) {
    to[from + 0] = *(const u32*)(table + (((word << 7) & 0x7f80) | bank));
    to[from + 1] = *(const u32*)(table + (((word >> 1) & 0x7f80) | bank));
    to[from + 2] = *(const u32*)(table + (((word >> 9) & 0x7f80) | bank));
    to[from + 3] = *(const u32*)(table + (((word >> 17) & 0x7f80) | bank));
}

// The slot that comes as number `which` among the different ones that the lanes of a warp read; whether there is one.
__device__ __forceinline__ bool different(int& slot, int own, int which) {
    const u32 same = __match_any_sync(0xffffffff, own);
    u32 firsts = __ballot_sync(0xffffffff, own >= 0 && __ffs(same) - 1 == (threadIdx.x & 31));
    for (; which > 0; which--) firsts &= firsts - 1;
    slot = __shfl_sync(0xffffffff, own, firsts ? __ffs(firsts) - 1 : 0);
    return firsts != 0;
}

// sums [M, N] = x W^T and low [M, R] = x A^T in fp32, with the A [R, K] of the slot that each row reads (below 0: none).
// The first LORA blocks compute 16 rows of one slot's A each, for the first slot that the rows read, the second one, and
// so on; they end at once if there are not as many. The others compute TILES x 16 outputs of W each. The 8 warps of a
// block have a share of the inputs each. ROWS: M rounded up, in eights.
template <int ROWS, int TILES>
__global__ void __launch_bounds__(256) product(
    const u32* __restrict__ x, const uint4* __restrict__ words, const uint4* __restrict__ scales,
    const u32* __restrict__ a, const int* __restrict__ slots, const u32* __restrict__ pairs, float* __restrict__ sums,
    float* __restrict__ low, int M, int K, int groups, int N, int R, int LORA) {
    constexpr int WARPS = 8;
    __shared__ u32 table[256 * 32];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
    const int first = warp * groups / WARPS, last = (warp + 1) * groups / WARPS;
    const bool lora = blockIdx.x < LORA;
    const int parts = (R + 15) / 16, tile = lora ? blockIdx.x % parts : (blockIdx.x - LORA) * TILES;
    int slot = -1;
    if (lora && !different(slot, lane < M ? __ldg(slots + lane) : -1, blockIdx.x / parts)) return;
    float acc[TILES][ROWS][4] = {};
    if (!lora) {
        uint4 next[TILES][4], next_scale[TILES];
        auto fetch = [&](int group) {
#pragma unroll
            for (int i = 0; i < TILES; i++) {
                const long at = (long)(tile + i) * groups + group;
                next_scale[i] = __ldcs(scales + at * 8 + g);
#pragma unroll
                for (int q = 0; q < 4; q++) next[i][q] = __ldcs(words + (at * 4 + q) * 32 + lane);
            }
        };
        if (first < last) fetch(first);
        for (int i = threadIdx.x; i < 256 * 32; i += WARPS * 32) table[i] = pairs[i >> 5];
        __syncthreads();
        for (int group = first; group < last; group++) {
            uint4 word[TILES][4], scale[TILES];
#pragma unroll
            for (int i = 0; i < TILES; i++) {
                scale[i] = next_scale[i];
#pragma unroll
                for (int q = 0; q < 4; q++) word[i][q] = next[i][q];
            }
            if (group + 1 < last) fetch(group + 1);
#pragma unroll
            for (int q = 0; q < 4; q++) {
                const int k = (group * 4 + q) * 64 + 16 * t;
                u32 b[ROWS][8];
#pragma unroll
                for (int j = 0; j < ROWS; j++) {
                    const int m = 8 * j + g;
                    sixteen(b[j], x + ((long)m * K + k) / 2, m < M && k < K);
                }
#pragma unroll
                for (int i = 0; i < TILES; i++) {
                    u32 upper[8], lower[8];  // outputs g and g + 8
                    look_up(upper, 0, (const char*)table, lane * 4, word[i][q].x);
                    look_up(upper, 4, (const char*)table, lane * 4, word[i][q].y);
                    look_up(lower, 0, (const char*)table, lane * 4, word[i][q].z);
                    look_up(lower, 4, (const char*)table, lane * 4, word[i][q].w);
                    const float2 s = halves(part(scale[i], q));
#pragma unroll
                    for (int j = 0; j < ROWS; j++) {
                        float c[4] = {};
#pragma unroll
                        for (int e = 0; e < 8; e += 2)
                            multiply(c, upper[e], lower[e], upper[e + 1], lower[e + 1], b[j][e], b[j][e + 1]);
                        acc[i][j][0] += c[0] * s.x, acc[i][j][1] += c[1] * s.x;
                        acc[i][j][2] += c[2] * s.y, acc[i][j][3] += c[3] * s.y;
                    }
                }
            }
        }
    } else {
        a += (long)slot * R * K / 2;
        for (int block = 4 * first; block < 4 * last; block++) {
            const int k = block * 64 + 16 * t, r = tile * 16 + g;
            u32 upper[8], lower[8], b[8];
            sixteen(upper, a + ((long)r * K + k) / 2, r < R && k < K);
            sixteen(lower, a + ((long)(r + 8) * K + k) / 2, r + 8 < R && k < K);
#pragma unroll
            for (int j = 0; j < ROWS; j++) {
                const int m = 8 * j + g;
                sixteen(b, x + ((long)m * K + k) / 2, m < M && k < K);
#pragma unroll
                for (int e = 0; e < 8; e += 2)
                    multiply(acc[0][j], upper[e], lower[e], upper[e + 1], lower[e + 1], b[e], b[e + 1]);
            }
        }
    }
    // Add the warps' shares, where the table was.
    __syncthreads();
    float* shares = (float*)table;
    constexpr int SHARE = TILES * ROWS * 128;
#pragma unroll
    for (int i = 0; i < TILES; i++)
#pragma unroll
        for (int j = 0; j < ROWS; j++)
#pragma unroll
            for (int c = 0; c < 4; c++) shares[warp * SHARE + ((i * ROWS + j) * 4 + c) * 32 + lane] = acc[i][j][c];
    __syncthreads();
    for (int e = threadIdx.x; e < SHARE; e += WARPS * 32) {
        float y = 0.f;
#pragma unroll
        for (int w = 0; w < WARPS; w++) y += shares[w * SHARE + e];
        const int c = (e >> 5) & 3, j = (e >> 7) % ROWS, i = (e >> 7) / ROWS;
        const int row = (tile + i) * 16 + ((e & 31) >> 2) + 8 * (c >> 1), m = 8 * j + 2 * (e & 3) + (c & 1);
        if (m < M && !lora) sums[(long)m * N + row] = y;
        if (m < M && lora && i == 0 && row < R && slots[m] == slot) low[(long)m * R + row] = y;
    }
}

// Weights [N, K] in bf16; a warp for each tile. Lanes of one output trade eights of values, so that a store of theirs
// writes 64 bytes side by side.
extern "C" __global__ void __launch_bounds__(256) dequantise(
    const uint4* __restrict__ words, const uint4* __restrict__ scales, const u32* __restrict__ pairs,
    u32* __restrict__ out, int K, int groups, int tiles) {
    __shared__ u32 table[256];
    table[threadIdx.x] = pairs[threadIdx.x];
    __syncthreads();
    const int lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3;
    const long at = (long)blockIdx.x * 8 + (threadIdx.x >> 5);
    const int block = at % (4 * groups), tile = at / (4 * groups), k = block * 64;
    if (tile >= tiles || k >= K) return;
    const uint4 word = __ldcs(words + at * 32 + lane);
    const float2 s = halves(part(scales[((long)tile * groups + block / 4) * 8 + g], block & 3));
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const float scale = half ? s.y : s.x;
        u32 pair[8], given[8];
#pragma unroll
        for (int e = 0; e < 8; e++) {
            const u32 two = table[(part(word, 2 * half + e / 4) >> (8 * (e & 3))) & 255];
            const float low = __uint_as_float(two << 16) * scale, high = __uint_as_float(two & 0xffff0000u) * scale;
            asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair[e]) : "f"(high), "f"(low));
        }
#pragma unroll
        for (int e = 0; e < 8; e++) {
            const int from = (lane & ~3) + (e / 4) * 2 + t / 2;
            const u32 first = __shfl_sync(0xffffffff, pair[e & 3], from);
            const u32 second = __shfl_sync(0xffffffff, pair[4 + (e & 3)], from);
            given[e] = t & 1 ? second : first;
        }
        uint4* to = (uint4*)(out + ((long)(tile * 16 + g + 8 * half) * K + k) / 2) + t;
        to[0] = make_uint4(given[0], given[1], given[2], given[3]);
        to[4] = make_uint4(given[4], given[5], given[6], given[7]);
    }
}
