#include "namenode/storage_policy.h"

#include <strings.h>

#include "namenode/core.h"
#include "namenode/inode.h"

#define MEDIA(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

const struct storage_policy storage_policies[] = {
    {STORAGE_POLICY_PROVIDED, "PROVIDED", false, MEDIA(STORAGE_PROVIDED, STORAGE_DISK),
     MEDIA(STORAGE_PROVIDED, STORAGE_DISK), MEDIA(STORAGE_PROVIDED, STORAGE_DISK)},
    {STORAGE_POLICY_COLD, "COLD", false, MEDIA(STORAGE_ARCHIVE), MEDIA(0), MEDIA(0)},
    {STORAGE_POLICY_WARM, "WARM", false, MEDIA(STORAGE_DISK, STORAGE_ARCHIVE),
     MEDIA(STORAGE_DISK, STORAGE_ARCHIVE), MEDIA(STORAGE_DISK, STORAGE_ARCHIVE)},
    {STORAGE_POLICY_HOT, "HOT", false, MEDIA(STORAGE_DISK), MEDIA(0), MEDIA(STORAGE_ARCHIVE)},
    {STORAGE_POLICY_ONE_SSD, "ONE_SSD", false, MEDIA(STORAGE_SSD, STORAGE_DISK),
     MEDIA(STORAGE_SSD, STORAGE_DISK), MEDIA(STORAGE_SSD, STORAGE_DISK)},
    {STORAGE_POLICY_ALL_SSD, "ALL_SSD", false, MEDIA(STORAGE_SSD), MEDIA(STORAGE_DISK),
     MEDIA(STORAGE_DISK)},
    {STORAGE_POLICY_ALL_NVDIMM, "ALL_NVDIMM", false, MEDIA(STORAGE_NVDIMM), MEDIA(STORAGE_DISK),
     MEDIA(STORAGE_DISK)},
    {STORAGE_POLICY_LAZY_PERSIST, "LAZY_PERSIST", true, MEDIA(STORAGE_RAM_DISK, STORAGE_DISK),
     MEDIA(STORAGE_DISK), MEDIA(STORAGE_DISK)},
};
const size_t storage_policy_count = ARRAY_LEN(storage_policies);

const struct storage_policy *storage_policy_by_id(uint8_t id)
{
    for (size_t i = 0; i < storage_policy_count; i++)
        if (storage_policies[i].id == id) return &storage_policies[i];
    return NULL;
}

const struct storage_policy *storage_policy_by_name(const char *name)
{
    for (size_t i = 0; i < storage_policy_count; i++)
        if (strcasecmp(storage_policies[i].name, name) == 0) return &storage_policies[i];
    return NULL;
}

const struct storage_policy *storage_policy_or_default(const struct core_conf *conf, uint8_t id)
{
    const struct storage_policy *policy = storage_policy_by_id(id);

    return policy ? policy : storage_policy_by_id(conf->storage_policy);
}

enum storage_type storage_policy_type(const struct storage_policy *policy, uint32_t replica)
{
    uint32_t last = 0;

    while (last + 1 < ARRAY_LEN(policy->creation) && policy->creation[last + 1]) last++;
    return policy->creation[MIN(replica, last)];
}

bool storage_type_has_quota(enum storage_type type)
{
    return type != STORAGE_RAM_DISK;
}

const char *storage_type_name(enum storage_type type)
{
    switch (type) {
    case STORAGE_DISK: return "DISK";
    case STORAGE_SSD: return "SSD";
    case STORAGE_ARCHIVE: return "ARCHIVE";
    case STORAGE_RAM_DISK: return "RAM_DISK";
    case STORAGE_PROVIDED: return "PROVIDED";
    case STORAGE_NVDIMM: return "NVDIMM";
    }
    return "UNKNOWN";
}

uint8_t storage_policy_effective(const struct inode_table *table, const struct inode *inode)
{
    while (inode && !inode->storage_policy) inode = inode_parent(table, inode);
    return inode ? (uint8_t)inode->storage_policy : STORAGE_POLICY_NONE;
}
