#include "namenode/image_inode.h"

/* A field's number and its wire type, as they stand in a message. */
#define VARINT(number)  ((number) << 3)
#define FIXED64(number) ((number) << 3 | 1)
#define BYTES(number)   ((number) << 3 | 2)

static bool read_block(Pb__Block *block, struct cursor at)
{
    bool has_id = false, has_stamp = false;

    pb__block__init(block);
    while (cursor_ok(&at) && cursor_left(&at)) {
        switch (cursor_varint(&at)) {
        case VARINT(1):
            block->blockid = cursor_varint(&at);
            has_id = true;
            break;
        case VARINT(2):
            block->genstamp = cursor_varint(&at);
            has_stamp = true;
            break;
        case VARINT(3):
            block->numbytes = cursor_varint(&at);
            block->has_numbytes = true;
            break;
        default: return false;
        }
    }
    return cursor_ok(&at) && has_id && has_stamp;
}

static bool add_block(struct image_inode *out, struct cursor message)
{
    size_t index = out->file.n_blocks;

    if (!cursor_ok(&message) || index == IMAGE_INODE_BLOCKS) return false;
    out->list[index] = &out->blocks[index];
    out->file.n_blocks++;
    return read_block(out->list[index], message);
}

static uint64_t fixed64(struct cursor *at) /* little-endian */
{
    const uint8_t *bytes = cursor_bytes(at, 8);

    return bytes ? __builtin_bswap64(get_be64(bytes)) : 0;
}

static bool read_file(struct image_inode *out, struct cursor at)
{
    Pb__INodeSection__INodeFile *file = &out->file;

    pb__inode_section__inode_file__init(file);
    file->blocks = out->list;
    while (cursor_ok(&at) && cursor_left(&at)) {
        switch (cursor_varint(&at)) {
        case VARINT(1):
            file->replication = (uint32_t)cursor_varint(&at);
            file->has_replication = true;
            break;
        case VARINT(2):
            file->modificationtime = cursor_varint(&at);
            file->has_modificationtime = true;
            break;
        case VARINT(3):
            file->accesstime = cursor_varint(&at);
            file->has_accesstime = true;
            break;
        case VARINT(4):
            file->preferredblocksize = cursor_varint(&at);
            file->has_preferredblocksize = true;
            break;
        case FIXED64(5):
            file->permission = fixed64(&at);
            file->has_permission = true;
            break;
        case BYTES(6):
            if (!add_block(out, cursor_delimited(&at))) return false;
            break;
        case VARINT(10):
            file->storagepolicyid = (uint32_t)cursor_varint(&at);
            file->has_storagepolicyid = true;
            break;
        case VARINT(11):
            file->blocktype = (Pb__BlockType)cursor_varint(&at);
            file->has_blocktype = true;
            break;
        default: return false;
        }
    }
    return cursor_ok(&at);
}

static bool take_file(struct image_inode *out, struct cursor message)
{
    if (!cursor_ok(&message) || out->inode.file) return false;
    out->inode.file = &out->file;
    return read_file(out, message);
}

bool image_inode_read(struct image_inode *out, struct cursor at)
{
    Pb__INodeSection__INode *inode = &out->inode;
    struct cursor name;
    bool has_id = false;

    pb__inode_section__inode__init(inode);
    inode->type = 0;
    while (cursor_ok(&at) && cursor_left(&at)) {
        switch (cursor_varint(&at)) {
        case VARINT(1): inode->type = (Pb__INodeSection__Type)cursor_varint(&at); break;
        case VARINT(2):
            inode->id = cursor_varint(&at);
            has_id = true;
            break;
        case BYTES(3):
            name = cursor_delimited(&at);
            inode->name = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)name.at,
                                                .len = cursor_left(&name)};
            inode->has_name = true;
            break;
        case BYTES(4):
            if (!take_file(out, cursor_delimited(&at))) return false;
            break;
        default: return false;
        }
    }
    return cursor_ok(&at) && has_id && inode->type == PB__INODE_SECTION__TYPE__FILE;
}
