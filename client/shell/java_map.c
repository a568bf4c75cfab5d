#include "client/shell/java_map.h"

#include "client/shell/text.h"
#include "common/mem.h"

int32_t java_string_hash(const char *text)
{
    uint32_t hash = 0;

    while (*text) {
        uint32_t code = text_next(&text);
        if (code >= 0x10000) { /* two UTF-16 units */
            hash = hash * 31 + (0xd800 | (code - 0x10000) >> 10);
            code = 0xdc00 | ((code - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + code;
    }
    return (int32_t)hash;
}

void java_map_order(const char *const *keys, size_t count, size_t *order)
{
    size_t buckets = 16, next = 0;
    uint32_t *spread = mem_alloc((count + 1) * sizeof *spread);

    while (count * 4 > buckets * 3) buckets *= 2; /* load factor 0.75 */
    for (size_t i = 0; i < count; i++) {
        uint32_t hash = (uint32_t)java_string_hash(keys[i]);
        spread[i] = (hash ^ hash >> 16) & (uint32_t)(buckets - 1);
    }
    if (count <= 64) { /* few keys: look for each bucket's */
        for (size_t bucket = 0; bucket < buckets; bucket++)
            for (size_t i = 0; i < count; i++)
                if (spread[i] == bucket) order[next++] = i;
    } else { /* counting sort */
        size_t *start = mem_zalloc((buckets + 1) * sizeof *start);
        for (size_t i = 0; i < count; i++) start[spread[i] + 1]++;
        for (size_t bucket = 0; bucket < buckets; bucket++) start[bucket + 1] += start[bucket];
        for (size_t i = 0; i < count; i++) order[start[spread[i]]++] = i;
        mem_free(start);
    }
    mem_free(spread);
}
