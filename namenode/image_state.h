/*
 * The sections of an image that are about no inode: erasure coding policies, cache pools and directives, delegation tokens and keys; both
 * ways. Thread rules: the thread that owns the core.
 */
#ifndef NAMENODE_IMAGE_STATE_H
#define NAMENODE_IMAGE_STATE_H

#include "namenode/core.h"
#include "namenode/image_in.h"
#include "namenode/image_out.h"

/* ERR_CORRUPT: damage. */
int image_load_ec_policies(struct core *core, const struct image_in *in,
                           struct err *err) MUST_CHECK;
int image_load_cache(struct core *core, const struct image_in *in, struct err *err) MUST_CHECK;
int image_load_secrets(struct core *core, const struct image_in *in, struct err *err) MUST_CHECK;

/* Each writes one section and ends it. */
void image_save_ec_policies(const struct core *core, struct image_out *out);
void image_save_cache(const struct core *core, struct image_out *out);
void image_save_secrets(const struct core *core, struct image_out *out);

#endif
