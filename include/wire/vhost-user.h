/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vhost-user messages (QEMU docs/interop/vhost-user.rst). All fields are in
 * the byte order of the host, since both ends share one machine.
 */
#ifndef WIRE_VHOST_USER_H
#define WIRE_VHOST_USER_H

#include <stdint.h>

#include "wire/le.h"

/* Front end to back end. */
enum vhost_user_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_SET_VRING_ENDIAN = 23,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_CREATE_CRYPTO_SESSION = 26,
	VU_CLOSE_CRYPTO_SESSION = 27,
	VU_POSTCOPY_ADVISE = 28,
	VU_POSTCOPY_LISTEN = 29,
	VU_POSTCOPY_END = 30,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_GPU_SET_SOCKET = 33,
	VU_RESET_DEVICE = 34,
	VU_VRING_KICK = 35,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
	VU_GET_SHARED_OBJECT = 41,
	VU_SET_DEVICE_STATE_FD = 42,
	VU_CHECK_DEVICE_STATE = 43,
	VU_GET_SHMEM_CONFIG = 44,
	VU_GET_VRING_BASE_SKIP_DRAIN = 45,
	VU_REQUEST_MAX
};

/* Back end to front end, on the socket given with VU_SET_BACKEND_REQ_FD. */
enum vhost_user_backend_request {
	VU_BACKEND_IOTLB_MSG = 1,
	VU_BACKEND_CONFIG_CHANGE = 2,
	VU_BACKEND_VRING_HOST_NOTIFIER = 3,
	VU_BACKEND_VRING_CALL = 4,
	VU_BACKEND_VRING_ERR = 5,
	VU_BACKEND_SHARED_OBJECT_ADD = 6,
	VU_BACKEND_SHARED_OBJECT_REMOVE = 7,
	VU_BACKEND_SHARED_OBJECT_LOOKUP = 8,
	VU_BACKEND_SHMEM_MAP = 9,
	VU_BACKEND_SHMEM_UNMAP = 10,
};

/* Protocol feature bit numbers. */
enum {
	VU_PF_MQ = 0,
	VU_PF_LOG_SHMFD = 1,
	VU_PF_RARP = 2,
	VU_PF_REPLY_ACK = 3,
	VU_PF_MTU = 4,
	VU_PF_BACKEND_REQ = 5,
	VU_PF_CROSS_ENDIAN = 6,
	VU_PF_CRYPTO_SESSION = 7,
	VU_PF_PAGEFAULT = 8,
	VU_PF_CONFIG = 9,
	VU_PF_BACKEND_SEND_FD = 10,
	VU_PF_HOST_NOTIFIER = 11,
	VU_PF_INFLIGHT_SHMFD = 12,
	VU_PF_RESET_DEVICE = 13,
	VU_PF_INBAND_NOTIFICATIONS = 14,
	VU_PF_CONFIGURE_MEM_SLOTS = 15,
	VU_PF_STATUS = 16,
	VU_PF_XEN_MMAP = 17,
	VU_PF_SHARED_OBJECT = 18,
	VU_PF_DEVICE_STATE = 19,
	VU_PF_GET_VRING_BASE_INFLIGHT = 20,
	VU_PF_GPA_ADDRESSES = 21,
	VU_PF_SHMEM = 22,
	VU_PF_GET_VRING_BASE_SKIP_DRAIN = 23,
};

/* Header flags. A reply carries exactly VERSION | REPLY. */
enum { VU_VERSION = 1, VU_VERSION_MASK = 3, VU_REPLY = 4, VU_NEED_REPLY = 8 };

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;          /* payload bytes */
};
WIRE_SIZE(struct vu_header, 12);

/* The u64 of SET_VRING_KICK, CALL and ERR. */
enum { VU_VRING_INDEX_MASK = 0xff, VU_VRING_NOFD = 0x100 };

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};
WIRE_SIZE(struct vu_vring_state, 8);

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;         /* bit 0: log the used ring */
	uint64_t desc;          /* user addresses of the front end */
	uint64_t used;
	uint64_t avail;
	uint64_t log;           /* guest physical */
};
WIRE_SIZE(struct vu_vring_addr, 40);

struct vu_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};
WIRE_SIZE(struct vu_region, 32);

struct vu_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct vu_region regions[];
};
WIRE_SIZE(struct vu_mem_table, 8);

struct vu_single_region {
	uint64_t padding;
	struct vu_region region;
};
WIRE_SIZE(struct vu_single_region, 40);

struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;         /* 0: the driver's write; 1: migration, every field */
	uint8_t data[];
};
WIRE_SIZE(struct vu_config, 12);

/* The log of dirty pages (SET_LOG_BASE). */
struct vu_log {
	uint64_t mmap_size;
	uint64_t mmap_offset;
};
WIRE_SIZE(struct vu_log, 16);

/* A buffer in which requests survive their back end (GET_INFLIGHT_FD). */
struct vu_inflight {
	uint64_t mmap_size;
	uint64_t mmap_offset;
	uint16_t num_queues;
	uint16_t queue_size;
	uint32_t padding;       /* every known peer sends it */
};
WIRE_SIZE(struct vu_inflight, 24);

enum { VU_CONFIG_WRITABLE = 0, VU_CONFIG_MIGRATION = 1 };

/* Limits: of the protocol as its peers keep it, and of Linux (SCM_MAX_FD). */
enum { VU_MAX_MEM_SLOTS = 512, VU_MAX_CONFIG = 256, VU_MAX_FDS = 253 };

#endif
