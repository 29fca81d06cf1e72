/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Requests and protocol features by name. The lists are texts, not arrays of
 * pointers, each of which would cost the executable a relocation.
 */
#include <string.h>

#include "vhost-device/error.h"
#include "vhost-frontend/frontend.h"

/* From VU_GET_FEATURES, in order. */
static const char requests[] =
	"GET_FEATURES\0" "SET_FEATURES\0" "SET_OWNER\0" "RESET_OWNER\0" "SET_MEM_TABLE\0"
	"SET_LOG_BASE\0" "SET_LOG_FD\0" "SET_VRING_NUM\0" "SET_VRING_ADDR\0" "SET_VRING_BASE\0"
	"GET_VRING_BASE\0" "SET_VRING_KICK\0" "SET_VRING_CALL\0" "SET_VRING_ERR\0"
	"GET_PROTOCOL_FEATURES\0" "SET_PROTOCOL_FEATURES\0" "GET_QUEUE_NUM\0"
	"SET_VRING_ENABLE\0" "SEND_RARP\0" "NET_SET_MTU\0" "SET_BACKEND_REQ_FD\0" "IOTLB_MSG\0"
	"SET_VRING_ENDIAN\0" "GET_CONFIG\0" "SET_CONFIG\0" "CREATE_CRYPTO_SESSION\0"
	"CLOSE_CRYPTO_SESSION\0" "POSTCOPY_ADVISE\0" "POSTCOPY_LISTEN\0" "POSTCOPY_END\0"
	"GET_INFLIGHT_FD\0" "SET_INFLIGHT_FD\0" "GPU_SET_SOCKET\0" "RESET_DEVICE\0"
	"VRING_KICK\0" "GET_MAX_MEM_SLOTS\0" "ADD_MEM_REG\0" "REM_MEM_REG\0" "SET_STATUS\0"
	"GET_STATUS\0" "GET_SHARED_OBJECT\0" "SET_DEVICE_STATE_FD\0" "CHECK_DEVICE_STATE\0"
	"GET_SHMEM_CONFIG\0" "GET_VRING_BASE_SKIP_DRAIN\0";

/* From VU_BACKEND_IOTLB_MSG, in order. */
static const char backend_requests[] =
	"IOTLB_MSG\0" "CONFIG_CHANGE\0" "VRING_HOST_NOTIFIER\0" "VRING_CALL\0" "VRING_ERR\0"
	"SHARED_OBJECT_ADD\0" "SHARED_OBJECT_REMOVE\0" "SHARED_OBJECT_LOOKUP\0" "SHMEM_MAP\0"
	"SHMEM_UNMAP\0";

/* From bit 0. */
static const char features[] =
	"MQ\0" "LOG_SHMFD\0" "RARP\0" "REPLY_ACK\0" "MTU\0" "BACKEND_REQ\0" "CROSS_ENDIAN\0"
	"CRYPTO_SESSION\0" "PAGEFAULT\0" "CONFIG\0" "BACKEND_SEND_FD\0" "HOST_NOTIFIER\0"
	"INFLIGHT_SHMFD\0" "RESET_DEVICE\0" "INBAND_NOTIFICATIONS\0" "CONFIGURE_MEM_SLOTS\0"
	"STATUS\0" "XEN_MMAP\0" "SHARED_OBJECT\0" "DEVICE_STATE\0" "GET_VRING_BASE_INFLIGHT\0"
	"GPA_ADDRESSES\0" "SHMEM\0" "GET_VRING_BASE_SKIP_DRAIN\0";

/* Name i of a list, or NULL. */
static const char *look_up(const char *list, unsigned i)
{
	while (i-- > 0 && *list != '\0')
		list += strlen(list) + 1;
	return *list != '\0' ? list : NULL;
}

const char *fe_request_name(uint32_t request)
{
	const char *name = look_up(requests, request - VU_GET_FEATURES);

	return name != NULL ? name : "unknown request";
}

const char *fe_backend_request_name(uint32_t request)
{
	const char *name = look_up(backend_requests, request - VU_BACKEND_IOTLB_MSG);

	return name != NULL ? name : "unknown request";
}

const char *fe_protocol_feature_name(unsigned bit)
{
	return look_up(features, bit);
}
