/*
 * Checksums of files, combined from checksums of their blocks that the datanodes compute
 * (BLOCK_CHECKSUM). Answers to FileChecksumHelper. fs_file_checksum() of fs.h is the entry; what is
 * here is for tests. Pure.
 */
#ifndef CLIENT_FILE_CHECKSUM_H
#define CLIENT_FILE_CHECKSUM_H

#include "common/base.h"

/* Java digests the whole memory of a growing buffer instead of what was written: its size for
 * `length` bytes, from 32 on doubling (DataOutputBuffer). */
size_t file_checksum_padded(size_t length);

#endif
