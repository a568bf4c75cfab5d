/* What the linker puts in place of the functions that would make two runs differ (Makefile: --wrap). */
#include "tests/sim/sim.h"

#include "common/clock.h"

#define WALL_START INT64_C(1700000000000)

int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_ns(void);
void __wrap_rand_seed_system(struct rand *rand);
void __wrap_rand_bytes(void *data, size_t size);
void __wrap_uuid_text(char text[UUID_TEXT_SIZE]);
uint64_t __wrap_hash_process_seed(void);

int64_t __wrap_clock_wall_ms(void)
{
    return WALL_START + sim.now_ms;
}

int64_t __wrap_clock_mono_ms(void)
{
    return sim.now_ms;
}

int64_t __wrap_clock_mono_ns(void)
{
    return sim.now_ms * 1000000;
}

void __wrap_rand_seed_system(struct rand *rand)
{
    rand_seed(rand, sim.seed);
}

void __wrap_rand_bytes(void *data, size_t size)
{
    uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)chance(256);
}

void __wrap_uuid_text(char text[UUID_TEXT_SIZE])
{
    snprintf(text, UUID_TEXT_SIZE, "%08x-0000-4000-8000-%012" PRIx64, (uint32_t)chance(UINT32_MAX),
             chance(UINT64_C(1) << 48));
}

uint64_t __wrap_hash_process_seed(void)
{
    return sim.seed;
}
