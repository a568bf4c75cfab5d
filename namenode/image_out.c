#include "namenode/image_out.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FLUSH_AT = 1024 * 1024 };

static void target_fail(struct image_target *target, const struct err *why)
{
    if (target->fd >= 0) close(target->fd);
    target->fd = -1;
    if (target->dir) nn_dir_fail(target->dir, why);
}

static int check_targets(const struct image_out *out, struct err *err)
{
    for (size_t i = 0; i < out->target_count; i++)
        if (out->targets[i].fd >= 0) return 0;
    return err_set(err, out->why.code ? out->why.code : ERR_IO, "no image can be written: %s",
                   out->why.text);
}

static void flush(struct image_out *out)
{
    md5_update(out->md5, out->bytes.data, out->bytes.length);
    for (size_t i = 0; i < out->target_count; i++) {
        struct image_target *target = &out->targets[i];
        if (target->fd < 0) continue;
        int rc = file_write_full(target->fd, out->bytes.data, out->bytes.length, &out->why);
        if (!rc) continue;
        err_wrap(&out->why, rc, "write %s", target->path);
        target_fail(target, &out->why);
    }
    buf_clear(&out->bytes);
}

int image_out_open(struct image_out *out, struct nn_dir *const *dirs, const char *const *paths,
                   size_t count, struct err *err)
{
    *out = (struct image_out){.why = ERR_INIT};
    out->targets = NEW_ARRAY(struct image_target, count);
    out->target_count = count;
    out->md5 = md5_new();
    for (size_t i = 0; i < count; i++) {
        struct image_target *target = &out->targets[i];
        target->dir = dirs ? dirs[i] : NULL;
        target->path = mem_strdup(paths[i]);
        target->fd = open(paths[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (target->fd >= 0) continue;
        err_set_errno(&out->why, errno, "create %s", paths[i]);
        target_fail(target, &out->why);
    }
    image_out_raw(out, IMAGE_MAGIC, IMAGE_MAGIC_SIZE);
    out->sections[0].offset = out->offset;
    return check_targets(out, err);
}

void image_out_raw(struct image_out *out, const void *data, size_t size)
{
    buf_put(&out->bytes, data, size);
    out->offset += size;
    if (out->bytes.length >= FLUSH_AT) flush(out);
}

void image_out_put(struct image_out *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message), before = out->bytes.length;

    buf_put_varint(&out->bytes, size);
    protobuf_c_message_pack(message, buf_extend(&out->bytes, size));
    out->offset += out->bytes.length - before;
    if (out->bytes.length >= FLUSH_AT) flush(out);
}

void image_out_section(struct image_out *out, const char *name)
{
    struct image_section *section = &out->sections[out->section_count];

    assert(out->section_count + 1 < IMAGE_SECTIONS_MAX);
    section->name = name;
    section->length = out->offset - section->offset;
    out->sections[++out->section_count].offset = out->offset;
}

/* The directory of sections, and at the very end its length, by which readers find it. */
static void put_summary(struct image_out *out)
{
    Pb__FileSummary summary = PB__FILE_SUMMARY__INIT;
    Pb__FileSummary__Section sections[IMAGE_SECTIONS_MAX], *list[IMAGE_SECTIONS_MAX];
    uint64_t start = out->offset;
    uint8_t length[4];

    for (size_t i = 0; i < out->section_count; i++) {
        pb__file_summary__section__init(&sections[i]);
        sections[i].name = (char *)(uintptr_t)out->sections[i].name;
        sections[i].has_length = sections[i].has_offset = true;
        sections[i].length = out->sections[i].length;
        sections[i].offset = out->sections[i].offset;
        list[i] = &sections[i];
    }
    summary.ondiskversion = IMAGE_ONDISK_VERSION;
    summary.layoutversion = (uint32_t)LAYOUT_NAMENODE;
    summary.n_sections = out->section_count;
    summary.sections = list;
    image_out_put(out, &summary.base);
    set_be32(length, (uint32_t)(out->offset - start));
    image_out_raw(out, length, sizeof length);
}

int image_out_finish(struct image_out *out, uint8_t md5[MD5_SIZE], struct err *err)
{
    put_summary(out);
    return image_out_sync(out, md5, err);
}

int image_out_sync(struct image_out *out, uint8_t md5[MD5_SIZE], struct err *err)
{
    flush(out);
    md5_finish(out->md5, md5);
    for (size_t i = 0; i < out->target_count; i++) {
        struct image_target *target = &out->targets[i];
        if (target->fd < 0) continue;
        int rc = file_sync(target->fd, target->path, &out->why);
        if (rc) target_fail(target, &out->why);
    }
    return check_targets(out, err);
}

void image_out_release(struct image_out *out)
{
    for (size_t i = 0; i < out->target_count; i++) {
        if (out->targets[i].fd >= 0) close(out->targets[i].fd);
        mem_free(out->targets[i].path);
    }
    mem_free(out->targets);
    buf_release(&out->bytes);
    md5_free(out->md5);
    *out = (struct image_out){.why = ERR_INIT};
}
