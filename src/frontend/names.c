/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests and protocol features by name. */
#include "vhost-device/error.h"
#include "vhost-frontend/frontend.h"

#define NAME(x) [VU_##x] = #x
static const char *const requests[VU_REQUEST_MAX] = {
	NAME(GET_FEATURES), NAME(SET_FEATURES), NAME(SET_OWNER), NAME(RESET_OWNER),
	NAME(SET_MEM_TABLE), NAME(SET_LOG_BASE), NAME(SET_LOG_FD), NAME(SET_VRING_NUM),
	NAME(SET_VRING_ADDR), NAME(SET_VRING_BASE), NAME(GET_VRING_BASE), NAME(SET_VRING_KICK),
	NAME(SET_VRING_CALL), NAME(SET_VRING_ERR), NAME(GET_PROTOCOL_FEATURES),
	NAME(SET_PROTOCOL_FEATURES), NAME(GET_QUEUE_NUM), NAME(SET_VRING_ENABLE),
	NAME(SEND_RARP), NAME(NET_SET_MTU), NAME(SET_BACKEND_REQ_FD), NAME(IOTLB_MSG),
	NAME(SET_VRING_ENDIAN), NAME(GET_CONFIG), NAME(SET_CONFIG),
	NAME(CREATE_CRYPTO_SESSION), NAME(CLOSE_CRYPTO_SESSION), NAME(POSTCOPY_ADVISE),
	NAME(POSTCOPY_LISTEN), NAME(POSTCOPY_END), NAME(GET_INFLIGHT_FD),
	NAME(SET_INFLIGHT_FD), NAME(GPU_SET_SOCKET), NAME(RESET_DEVICE), NAME(VRING_KICK),
	NAME(GET_MAX_MEM_SLOTS), NAME(ADD_MEM_REG), NAME(REM_MEM_REG), NAME(SET_STATUS),
	NAME(GET_STATUS), NAME(GET_SHARED_OBJECT), NAME(SET_DEVICE_STATE_FD),
	NAME(CHECK_DEVICE_STATE), NAME(GET_SHMEM_CONFIG), NAME(GET_VRING_BASE_SKIP_DRAIN),
};
#undef NAME

#define NAME(x) [VU_BACKEND_##x] = #x
static const char *const backend_requests[] = {
	NAME(IOTLB_MSG), NAME(CONFIG_CHANGE), NAME(VRING_HOST_NOTIFIER), NAME(VRING_CALL),
	NAME(VRING_ERR), NAME(SHARED_OBJECT_ADD), NAME(SHARED_OBJECT_REMOVE),
	NAME(SHARED_OBJECT_LOOKUP), NAME(SHMEM_MAP), NAME(SHMEM_UNMAP),
};
#undef NAME

#define NAME(x) [VU_PF_##x] = #x
static const char *const features[] = {
	NAME(MQ), NAME(LOG_SHMFD), NAME(RARP), NAME(REPLY_ACK), NAME(MTU), NAME(BACKEND_REQ),
	NAME(CROSS_ENDIAN), NAME(CRYPTO_SESSION), NAME(PAGEFAULT), NAME(CONFIG),
	NAME(BACKEND_SEND_FD), NAME(HOST_NOTIFIER), NAME(INFLIGHT_SHMFD), NAME(RESET_DEVICE),
	NAME(INBAND_NOTIFICATIONS), NAME(CONFIGURE_MEM_SLOTS), NAME(STATUS), NAME(XEN_MMAP),
	NAME(SHARED_OBJECT), NAME(DEVICE_STATE), NAME(GET_VRING_BASE_INFLIGHT),
	NAME(GPA_ADDRESSES), NAME(SHMEM), NAME(GET_VRING_BASE_SKIP_DRAIN),
};
#undef NAME

static const char *look_up(const char *const *names, size_t n, size_t i)
{
	return i < n ? names[i] : NULL;
}

const char *fe_request_name(uint32_t request)
{
	const char *name = look_up(requests, ARRAY_SIZE(requests), request);

	return name != NULL ? name : "unknown request";
}

const char *fe_backend_request_name(uint32_t request)
{
	const char *name = look_up(backend_requests, ARRAY_SIZE(backend_requests), request);

	return name != NULL ? name : "unknown request";
}

const char *fe_protocol_feature_name(unsigned bit)
{
	return look_up(features, ARRAY_SIZE(features), bit);
}
