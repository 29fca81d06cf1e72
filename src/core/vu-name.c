/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Requests by name. The list is a text, not an array of pointers, each of which
 * would cost the executable a relocation.
 */
#include <stddef.h>
#include <string.h>

#include "vhost-device/vu-name.h"
#include "wire/vhost-user.h"

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

const char *vu_name_of(const char *texts, uint32_t i)
{
	while (i-- > 0 && *texts != '\0')
		texts += strlen(texts) + 1;
	return *texts != '\0' ? texts : NULL;
}

const char *vu_request_name(uint32_t request)
{
	const char *name = vu_name_of(requests, request - VU_GET_FEATURES);

	return name != NULL ? name : "unknown request";
}
