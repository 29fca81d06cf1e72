/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Devices by id: features and config fields (virtio 1.4, section 5), as text. */
#include <stdio.h>
#include <string.h>

#include "known.h"
#include "vhost-device/num.h"
#include "wire/vhost-user.h"
#include "wire/virtio-ring.h"

const struct known known_devices[] = {
	{ "rng", 4, 1, 1, .queues = "request", .features = "", .config = "" },
	{ "block", 2, 1, 0, .queues = "request queues",
	  .features = "BARRIER SIZE_MAX SEG_MAX 4 GEOMETRY RO BLK_SIZE SCSI 9 FLUSH TOPOLOGY "
		"CONFIG_WCE MQ DISCARD WRITE_ZEROES LIFETIME SECURE_ERASE ZONED",
	  .config = "capacity:u8 size_max:u4 seg_max:u4:0:65536 cylinders:u2 heads:u1 sectors:u1 "
		"blk_size:u4:0:16777216 physical_block_exp:u1:0:20 alignment_offset:u1 "
		"min_io_size:u2 opt_io_size:u4 writeback:u1:0:1 unused:p1 num_queues:u2:0:4096 "
		"max_discard_sectors:u4 max_discard_seg:u4 discard_sector_alignment:u4 "
		"max_write_zeroes_sectors:u4 max_write_zeroes_seg:u4 "
		"write_zeroes_may_unmap:u1:0:1 unused:p3 max_secure_erase_sectors:u4 "
		"max_secure_erase_seg:u4 secure_erase_sector_alignment:u4 zone_sectors:u4 "
		"max_open_zones:u4 max_active_zones:u4 max_append_sectors:u4 "
		"write_granularity:u4 zoned_model:u1:0:2 unused:p3" },
	{ "net", 1, 2, 0, true, .likes = BIT(VU_PF_RARP) | BIT(VU_PF_MTU),
	  .queues = "receive and transmit in pairs, then control",
	  .features = "CSUM GUEST_CSUM CTRL_GUEST_OFFLOADS MTU 5 MAC 7 GUEST_TSO4 GUEST_TSO6 "
		"GUEST_ECN GUEST_UFO HOST_TSO4 HOST_TSO6 HOST_ECN HOST_UFO MRG_RXBUF STATUS "
		"CTRL_VQ CTRL_RX CTRL_VLAN 21 GUEST_ANNOUNCE MQ CTRL_MAC_ADDR 52 VQ_NOTF_COAL "
		"NOTF_COAL GUEST_USO4 GUEST_USO6 HOST_USO HASH_REPORT 59 GUEST_HDRLEN RSS RSC_EXT "
		"STANDBY SPEED_DUPLEX",
	  .config = "mac:m6 status:x2:0:3 max_virtqueue_pairs:u2 mtu:u2 speed:u4 duplex:x1 "
		"rss_max_key_size:u1 rss_max_indirection_table_length:u2 "
		"supported_hash_types:x4" },
	{ "vsock", 19, 2, 3, .queues = "receive, transmit, event",
	  .features = "STREAM SEQPACKET NO_IMPLIED_STREAM",
	  .config = "guest_cid:u8:3:4294967294" },
	{ "fs", 26, 2, 0, true, .likes = BIT(VU_PF_DEVICE_STATE) | BIT(VU_PF_BACKEND_SEND_FD) |
		BIT(VU_PF_LOG_SHMFD), .queues = "hiprio, then request queues",
	  .features = "NOTIFICATION",
	  .config = "tag:t36 num_request_queues:u4:1:1024 notify_buf_size:u4" },
	{ "gpio", 41, 1, 2, .queues = "request, event", .features = "IRQ",
	  .config = "ngpio:u2:1:65535 padding:p2 gpio_names_size:u4:0:16777216" },
	{ "i2c", 34, 1, 1, .must = BIT(0), .queues = "request",
	  .features = "ZERO_LENGTH_REQUEST", .config = "" },
	{ "spi", 45, 1, 1, .queues = "request", .features = "",
	  .config = "cs_max_number:u1:1:255 cs_change_supported:u1:0:1 tx_nbits_supported:x1:0:7 "
		"rx_nbits_supported:x1:0:7 bits_per_word_mask:x4 mode_func_supported:x4 "
		"max_freq_hz:u4 max_word_delay_ns:u4 max_cs_setup_ns:u4 max_cs_hold_ns:u4 "
		"max_cs_inactive_ns:u4" },
	{ "can", 36, 3, 3, .must = BIT(0), .queues = "transmit, receive, control",
	  .features = "CAN_CLASSIC CAN_FD RTR_FRAMES LATE_TX_ACK",
	  .config = "status:x2:0:1" },
	{ "console", 3, 2, 0, .queues = "receive and transmit, control, then pairs for each port",
	  .features = "SIZE MULTIPORT EMERG_WRITE",
	  .config = "cols:u2:0:4096 rows:u2:0:4096 max_nr_ports:u4:0:65536 emerg_wr:x4" },
	{ "input", 18, 2, 2, .queues = "event, status", .features = "",
	  .config = "select:x1 subsel:x1 size:u1:0:128 reserved:p5 data:m128" },
	{ "sound", 25, 4, 4, .queues = "control, event, transmit, receive", .features = "CTLS",
	  .config = "jacks:u4:0:1024 streams:u4:1:1024 chmaps:u4:0:1024 controls:u4:0:4096" },
	{ "rtc", 17, 1, 2, .queues = "request, alarm", .features = "ALARM", .config = "" },
	{ "scmi", 32, 1, 2, .queues = "command, event", .features = "P2A_CHANNELS SHARED_MEMORY",
	  .config = "" },
	{ "scsi", 8, 3, 0, .queues = "control, event, then request queues",
	  .features = "INOUT HOTPLUG CHANGE T10_PI",
	  .config = "num_queues:u4:1:4096 seg_max:u4:1:65536 max_sectors:u4 cmd_per_lun:u4:1 "
		"event_info_size:u4:1:1024 sense_size:u4:1:4096 cdb_size:u4:1:4096 max_channel:u2 "
		"max_target:u2 max_lun:u4" },
	{ "gpu", 16, 2, 2, .queues = "control, cursor",
	  .features = "VIRGL EDID RESOURCE_UUID RESOURCE_BLOB CONTEXT_INIT BLOB_ALIGNMENT",
	  .config = "events_read:x4:0:1 events_clear:x4:0:1 num_scanouts:u4:0:16 "
		"num_capsets:u4:0:64 blob_alignment:u4" },
	{ "media", 48, 2, 2, .likes = BIT(VU_PF_SHMEM), .queues = "command, event", .features = "",
	  .config = "device_caps:x4:1 device_type:u4:0:5 card:t32" },
	{ "video-encoder", 30, 2, 2, .queues = "command, event",
	  .features = "RESOURCE_GUEST_PAGES RESOURCE_NON_CONTIG RESOURCE_VIRTIO_OBJECT",
	  .config = "version:u4:0:1 max_caps_length:u4:1 max_resp_length:u4:1 device_name:t32" },
	{ "video-decoder", 31, 2, 2, .queues = "command, event",
	  .features = "RESOURCE_GUEST_PAGES RESOURCE_NON_CONTIG RESOURCE_VIRTIO_OBJECT",
	  .config = "version:u4:0:1 max_caps_length:u4:1 max_resp_length:u4:1 device_name:t32" },
	{ "crypto", 20, 2, 0, .queues = "data queues, then control",
	  .features = "REVISION_1 CIPHER_STATELESS HASH_STATELESS MAC_STATELESS AEAD_STATELESS "
		"AKCIPHER_STATELESS",
	  .config = "status:x4:0:1 max_dataqueues:u4:1:4096 crypto_services:x4:1:31 "
		"cipher_algo_l:x4 cipher_algo_h:x4 hash_algo:x4 mac_algo_l:x4 mac_algo_h:x4 "
		"aead_algo:x4 max_cipher_key_len:u4 max_auth_key_len:u4 akcipher_algo:x4 "
		"max_size:u8" },
	{ "rpmb", 28, 1, 1, .queues = "request", .features = "",
	  .config = "capacity:u1:1:128 max_wr_cnt:u1 max_rd_cnt:u1" },
	{ "pmem", 27, 1, 1, .queues = "request", .features = "SHMEM_REGION",
	  .config = "start:x8 size:x8:1" },
	{ "iommu", 23, 2, 2, .queues = "request, event",
	  .features = "INPUT_RANGE DOMAIN_RANGE MAP_UNMAP BYPASS PROBE MMIO BYPASS_CONFIG",
	  .config = "page_size_mask:x8:1 input_start:x8 input_end:x8 domain_start:u4 domain_end:u4 "
		"probe_size:u4 bypass:u1:0:1 reserved:p3" },
	{ "balloon", 5, 2, 5, .queues = "inflate, deflate, statistics, free page, reporting",
	  .features = "MUST_TELL_HOST STATS_VQ DEFLATE_ON_OOM FREE_PAGE_HINT PAGE_POISON "
		"PAGE_REPORTING",
	  .config = "num_pages:u4 actual:u4 free_page_hint_cmd_id:u4 poison_val:x4" },
	{ "watchdog", 35, 1, 0, .queues = "", .features = "", .config = "" },
	{ "bluetooth", 40, 2, 2, .queues = "transmit, receive", .features = "VND_HCI MSFT_EXT "
		"AOSP_EXT CONFIG_V2", .config = "type:u1:0:1 vendor:x2 msft_opcode:x2" },
	{ "template", 0, 1, 1, .queues = "request, answered with its own bytes", .features = "",
	  .config = "requests:u4 last_length:u4" },
	{ NULL }
};

const struct known *known_find(const char *text)
{
	const struct known *k;
	uint64_t id;
	bool by_id = num_parse(text, 0, UINT16_MAX, &id) == 0;

	for (k = known_devices; k->name != NULL; k++) {
		if (by_id ? k->id == id : strcmp(k->name, text) == 0)
			return k;
	}
	return NULL;
}

/* Number at *p, which moves behind it. */
static uint64_t take_number(const char **p)
{
	uint64_t n = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n * 10 + (uint64_t)(**p - '0');
	return n;
}

/* The word that names a bit in a list of features. */
static bool name_in(const char *list, unsigned bit, char buf[KNOWN_NAME_SIZE])
{
	unsigned at = 0;
	size_t n;

	while (*list != '\0') {
		if (*list >= '0' && *list <= '9') {
			at = (unsigned)take_number(&list);
		} else {
			n = strcspn(list, " ");
			if (at++ == bit) {
				snprintf(buf, KNOWN_NAME_SIZE, "%.*s", (int)n, list);
				return true;
			}
			list += n;
		}
		list += strspn(list, " ");
	}
	return false;
}

static const char transport_features[] = "24 NOTIFY_ON_EMPTY 26 LOG_ALL ANY_LAYOUT INDIRECT_DESC "
	"EVENT_IDX PROTOCOL_FEATURES 32 VERSION_1 ACCESS_PLATFORM RING_PACKED IN_ORDER "
	"ORDER_PLATFORM SR_IOV NOTIFICATION_DATA NOTIF_CONFIG_DATA RING_RESET ADMIN_VQ";

uint64_t known_device_bits(void)
{
	return (BIT(24) - 1) | ~(BIT(42) - 1);
}

bool known_feature(const struct known *k, unsigned bit, char buf[KNOWN_NAME_SIZE])
{
	return name_in(transport_features, bit, buf) ||
		(k != NULL && name_in(k->features, bit, buf));
}

bool known_next_field(const char **pos, struct known_field *f)
{
	const char *p = *pos;
	size_t n = strcspn(p, ":");

	if (*p == '\0')
		return false;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)n, p);
	p += n + 1;
	f->kind = *p++;
	f->off += f->size;
	f->size = (unsigned)take_number(&p);
	f->least = f->most = 0;
	if (*p == ':') {
		p++;
		f->least = take_number(&p);
	}
	if (*p == ':') {
		p++;
		f->most = take_number(&p);
	}
	*pos = p + strspn(p, " ");
	return true;
}

unsigned known_config_size(const struct known *k)
{
	struct known_field f = { .off = 0 };
	const char *pos = k->config;

	while (known_next_field(&pos, &f))
		;
	return f.off + f.size;
}

uint64_t known_value(const struct known_field *f, const uint8_t *config)
{
	uint64_t v = 0;
	unsigned i;

	for (i = f->size < 8 ? f->size : 8; i-- > 0;)
		v = v << 8 | config[f->off + i];
	return v;
}
