#include "namenode/fsck_policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* From the fastest to the slowest, as Hadoop's StorageType has them. */
static const enum storage_type by_speed[] = {STORAGE_RAM_DISK, STORAGE_SSD,      STORAGE_DISK,
                                             STORAGE_ARCHIVE,  STORAGE_PROVIDED, STORAGE_NVDIMM};

/* The media in that order, each as often as it occurs; at most `max`. */
static size_t sort_media(const uint16_t *of, enum storage_type *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(by_speed); i++)
        for (uint16_t k = 0; k < of[by_speed[i]] && n < max; k++) out[n++] = by_speed[i];
    return n;
}

/* The replicas begin with the policy's media, and all others are on the slowest of these. */
static bool policy_has(const struct storage_policy *policy, const uint16_t *of, size_t replicas)
{
    enum storage_type have[8], want[ARRAY_LEN(policy->creation)];
    uint16_t wanted[STORAGE_TYPES] = {0};
    size_t wants = 0;

    for (size_t i = 0; i < ARRAY_LEN(policy->creation) && policy->creation[i]; i++)
        wanted[policy->creation[i]]++;
    wants = sort_media(wanted, want, ARRAY_LEN(want));
    if (!wants || wants > replicas) return false;
    sort_media(of, have, wants);
    if (memcmp(have, want, wants * sizeof(*have)) != 0) return false;
    uint32_t rest = 0;
    for (size_t i = 0; i < wants; i++)
        if (want[i] == want[wants - 1]) rest++;
    return of[want[wants - 1]] == replicas - wants + rest;
}

static struct media_count *find(struct policy_summary *summary, const struct storage_policy *wanted,
                                const uint16_t *of)
{
    for (size_t i = 0; i < summary->count; i++) {
        struct media_count *c = &summary->counts[i];
        if (c->wanted == wanted && memcmp(c->of, of, sizeof(c->of)) == 0) return c;
    }
    GROW(summary->counts, summary->capacity, summary->count + 1);
    struct media_count *c = &summary->counts[summary->count++];
    *c = (struct media_count){.wanted = wanted};
    memcpy(c->of, of, sizeof(c->of));
    return c;
}

void policy_summary_add(struct policy_summary *summary, const struct storage_policy *wanted,
                        const enum storage_type *types, size_t count)
{
    uint16_t of[STORAGE_TYPES] = {0};

    for (size_t i = 0; i < count; i++) {
        assert(types[i] > 0 && types[i] <= STORAGE_NVDIMM);
        of[types[i]]++;
    }
    struct media_count *c = find(summary, wanted, of);
    if (c->blocks++ == 0)
        for (size_t i = 0; i < storage_policy_count && !c->found; i++)
            if (policy_has(&storage_policies[i], of, count)) c->found = &storage_policies[i];
    summary->blocks++;
}

static int more_blocks_first(const void *a, const void *b)
{
    const struct media_count *x = a, *y = b;

    return (x->blocks < y->blocks) - (x->blocks > y->blocks);
}

/* "DISK:2,ARCHIVE:1(WARM)" */
static void put_media(const struct media_count *c, struct buf *out)
{
    const char *comma = "";

    for (size_t i = 0; i < ARRAY_LEN(by_speed); i++) {
        if (!c->of[by_speed[i]]) continue;
        buf_printf(out, "%s%s:%u", comma, storage_type_name(by_speed[i]), c->of[by_speed[i]]);
        comma = ",";
    }
    if (c->found) buf_printf(out, "(%s)", c->found->name);
}

static void put_count(const struct policy_summary *summary, const struct media_count *c,
                      struct buf *out)
{
    struct buf media = {0};
    char percent[32];
    bool as_wanted = c->found == c->wanted;

    put_media(c, &media);
    snprintf(percent, sizeof(percent), "%.4f%%", 100.0 * (double)c->blocks / summary->blocks);
    buf_printf(out, "%-*.*s ", as_wanted ? 25 : 35, (int)media.length, (const char *)media.data);
    if (!as_wanted) buf_printf(out, "%-20s ", c->wanted->name);
    buf_printf(out, "%10" PRIu64 "  %20s\n", c->blocks, percent);
    buf_release(&media);
}

void policy_summary_print(struct policy_summary *summary, struct buf *out)
{
    bool others = false;

    if (summary->count)
        qsort(summary->counts, summary->count, sizeof(*summary->counts), more_blocks_first);
    buf_put_str(out, "\nBlocks satisfying the specified storage policy:\nStorage Policy           "
                     "       # of blocks       % of blocks\n");
    for (size_t i = 0; i < summary->count; i++)
        if (summary->counts[i].found == summary->counts[i].wanted)
            put_count(summary, &summary->counts[i], out);
    for (size_t i = 0; i < summary->count; i++) {
        if (summary->counts[i].found == summary->counts[i].wanted) continue;
        if (!others)
            buf_put_str(out,
                        "\nBlocks NOT satisfying the specified storage policy:\nStorage Policy     "
                        "             Specified Storage Policy      # of blocks       % of "
                        "blocks\n");
        others = true;
        put_count(summary, &summary->counts[i], out);
    }
    if (!others) buf_put_str(out, "\nAll blocks satisfy specified storage policy.\n");
}

void policy_summary_release(struct policy_summary *summary)
{
    mem_free(summary->counts);
    *summary = (struct policy_summary){0};
}
