#include "common/rand.h"

#include <errno.h>
#include <sys/random.h>

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

/* splitmix64: spreads a seed of few bits over the state, which must not be all zero. */
static uint64_t spread(uint64_t *seed)
{
    uint64_t v = *seed += 0x9e3779b97f4a7c15u;

    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

void rand_seed(struct rand *rand, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(rand->state); i++) rand->state[i] = spread(&seed);
}

void rand_seed_system(struct rand *rand)
{
    uint64_t seed;

    rand_bytes(&seed, sizeof seed);
    rand_seed(rand, seed);
}

/* xoshiro256** of Blackman and Vigna. */
uint64_t rand_u64(struct rand *rand)
{
    uint64_t *s = rand->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rand_below(struct rand *rand, uint64_t limit)
{
    uint64_t value, uneven;

    assert(limit > 0);
    uneven =
        (0 - limit) % limit; /* 2^64 modulo limit: values below it would come up once too often */
    do {
        value = rand_u64(rand);
    } while (value < uneven);
    return value % limit;
}

double rand_double(struct rand *rand)
{
    return (double)(rand_u64(rand) >> 11) * 0x1p-53;
}

void rand_bytes(void *data, size_t size)
{
    char *at = data;

    while (size) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR) continue;
        assert(got > 0);
        at += got;
        size -= (size_t)got;
    }
}

void uuid_bytes(uint8_t uuid[UUID_SIZE])
{
    rand_bytes(uuid, UUID_SIZE);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void uuid_text(char text[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t uuid[UUID_SIZE];

    uuid_bytes(uuid);
    for (int i = 0; i < UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *text++ = '-';
        *text++ = digits[uuid[i] >> 4];
        *text++ = digits[uuid[i] & 15];
    }
    *text = '\0';
}
