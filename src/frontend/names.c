/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests and protocol features by name: texts, as in vu-name.h. */
#include "vhost-device/vu-name.h"
#include "vhost-frontend/frontend.h"

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

const char *fe_request_name(uint32_t request)
{
	return vu_request_name(request);
}

const char *fe_backend_request_name(uint32_t request)
{
	const char *name = vu_name_of(backend_requests, request - VU_BACKEND_IOTLB_MSG);

	return name != NULL ? name : "unknown request";
}

const char *fe_protocol_feature_name(unsigned bit)
{
	return vu_name_of(features, bit);
}
