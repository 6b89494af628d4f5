#include "order.h"

#define DIGIT_BITS 11

/* Distributes the rows by one digit of their keys, keeping the order of equal ones. */
static void
distribute(const pk_placed *from, pk_placed *to, size_t count, unsigned shift, unsigned bits)
{
    size_t next[1 << DIGIT_BITS] = {0};
    const uint64_t mask = (1ULL << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        next[from[i].key >> shift & mask]++;
    }
    size_t sum = 0;
    for (size_t digit = 0; digit <= mask; digit++) {
        size_t here = next[digit];
        next[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[next[from[i].key >> shift & mask]++] = from[i];
    }
}

/* Digit by digit, the lowest first. */
bool
pk_order(pk_placed *rows, pk_placed *spare, size_t count, uint64_t spread)
{
    unsigned lowest = spread ? (unsigned)__builtin_ctzll(spread) : 0;
    unsigned bits = spread ? 64 - (unsigned)__builtin_clzll(spread) - lowest : 0;
    unsigned passes = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
    pk_placed *from = rows, *to = spare;
    for (unsigned i = 0; i < passes; i++) {
        unsigned width = (bits + passes - 1) / passes, shift = i * width;
        width = bits - shift < width ? bits - shift : width;
        distribute(from, to, count, lowest + shift, width);
        pk_placed *swap = from;
        from = to;
        to = swap;
    }
    return from == spare;
}
