/*
 * Encodes a listing without protobuf-c, which visits every field of every entry three times. The bytes are the same.
 */
#ifndef NAMENODE_LISTING_PACK_H
#define NAMENODE_LISTING_PACK_H

#include "common/mem.h"
#include "proto/client_namenode.pb-c.h"

/* In the arena; NULL when an entry has a field that few have: protobuf-c can do all of them. */
const uint8_t *listing_pack(const Pb__GetListingResponse *response, struct arena *arena,
                            size_t *size);

#endif
