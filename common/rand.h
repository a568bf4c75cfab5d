/*
 * Random numbers. `struct rand` is a seeded generator (the same seed gives the same numbers, for
 * the simulator and for tests); it belongs to one thread. The rest comes from the kernel, for ids
 * and secrets, from any thread.
 */
#ifndef COMMON_RAND_H
#define COMMON_RAND_H

#include "common/base.h"

struct rand {
    uint64_t state[4];
};

void rand_seed(struct rand *rand, uint64_t seed);
void rand_seed_system(struct rand *rand); /* from the kernel */
uint64_t rand_u64(struct rand *rand);
uint64_t rand_below(struct rand *rand, uint64_t limit); /* evenly from 0 to limit - 1; limit > 0 */
double rand_double(struct rand *rand);                  /* from 0 up to, but not, 1 */

void rand_bytes(void *data, size_t size); /* from the kernel */

enum { UUID_SIZE = 16, UUID_TEXT_SIZE = 37 };
void uuid_bytes(uint8_t uuid[UUID_SIZE]);  /* a random UUID, version 4 */
void uuid_text(char text[UUID_TEXT_SIZE]); /* "8-4-4-4-12" hexadecimal digits, lower case, as Java's
                                              UUID prints it */

#endif
