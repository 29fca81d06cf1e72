/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Names of linux/input-event-codes.h. Runs of codes, each a text of names that
 * follow one another: an array of pointers would cost a relocation for each.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vhost-device/input-names.h"
#include "vhost-device/num.h"
#include "vhost-device/util.h"
#include "vhost-device/vu-name.h"

struct run {
	unsigned first;
	const char *names;              /* "?": it has none */
};

static const struct run ev_names[] = {
	{ 0x0, "SYN\0" "KEY\0" "REL\0" "ABS\0" "MSC\0" "SW\0" },
	{ 0x11, "LED\0" "SND\0" "?\0" "REP\0" "FF\0" "PWR\0" "FF_STATUS\0" },
	{ 0, NULL }
};

static const struct run syn_names[] = {
	{ 0x0, "REPORT\0" "CONFIG\0" "MT_REPORT\0" "DROPPED\0" },
	{ 0, NULL }
};

static const struct run key_names[] = {
	{ 0x0, "RESERVED\0" "ESC\0" "1\0" "2\0" "3\0" "4\0" "5\0" "6\0" "7\0" "8\0" "9\0" "0\0"
	  "MINUS\0" "EQUAL\0" "BACKSPACE\0" "TAB\0" "Q\0" "W\0" "E\0" "R\0" "T\0" "Y\0" "U\0"
	  "I\0" "O\0" "P\0" "LEFTBRACE\0" "RIGHTBRACE\0" "ENTER\0" "LEFTCTRL\0" "A\0" "S\0" "D\0"
	  "F\0" "G\0" "H\0" "J\0" "K\0" "L\0" "SEMICOLON\0" "APOSTROPHE\0" "GRAVE\0"
	  "LEFTSHIFT\0" "BACKSLASH\0" "Z\0" "X\0" "C\0" "V\0" "B\0" "N\0" "M\0" "COMMA\0" "DOT\0"
	  "SLASH\0" "RIGHTSHIFT\0" "KPASTERISK\0" "LEFTALT\0" "SPACE\0" "CAPSLOCK\0" "F1\0"
	  "F2\0" "F3\0" "F4\0" "F5\0" "F6\0" "F7\0" "F8\0" "F9\0" "F10\0" "NUMLOCK\0"
	  "SCROLLLOCK\0" "KP7\0" "KP8\0" "KP9\0" "KPMINUS\0" "KP4\0" "KP5\0" "KP6\0" "KPPLUS\0"
	  "KP1\0" "KP2\0" "KP3\0" "KP0\0" "KPDOT\0" "?\0" "ZENKAKUHANKAKU\0" "102ND\0" "F11\0"
	  "F12\0" "RO\0" "KATAKANA\0" "HIRAGANA\0" "HENKAN\0" "KATAKANAHIRAGANA\0" "MUHENKAN\0"
	  "KPJPCOMMA\0" "KPENTER\0" "RIGHTCTRL\0" "KPSLASH\0" "SYSRQ\0" "RIGHTALT\0" "LINEFEED\0"
	  "HOME\0" "UP\0" "PAGEUP\0" "LEFT\0" "RIGHT\0" "END\0" "DOWN\0" "PAGEDOWN\0" "INSERT\0"
	  "DELETE\0" "MACRO\0" "MUTE\0" "VOLUMEDOWN\0" "VOLUMEUP\0" "POWER\0" "KPEQUAL\0"
	  "KPPLUSMINUS\0" "PAUSE\0" "SCALE\0" "KPCOMMA\0" "HANGEUL\0" "HANJA\0" "YEN\0"
	  "LEFTMETA\0" "RIGHTMETA\0" "COMPOSE\0" "STOP\0" "AGAIN\0" "PROPS\0" "UNDO\0" "FRONT\0"
	  "COPY\0" "OPEN\0" "PASTE\0" "FIND\0" "CUT\0" "HELP\0" "MENU\0" "CALC\0" "SETUP\0"
	  "SLEEP\0" "WAKEUP\0" "FILE\0" "SENDFILE\0" "DELETEFILE\0" "XFER\0" "PROG1\0" "PROG2\0"
	  "WWW\0" "MSDOS\0" "COFFEE\0" "ROTATE_DISPLAY\0" "CYCLEWINDOWS\0" "MAIL\0" "BOOKMARKS\0"
	  "COMPUTER\0" "BACK\0" "FORWARD\0" "CLOSECD\0" "EJECTCD\0" "EJECTCLOSECD\0" "NEXTSONG\0"
	  "PLAYPAUSE\0" "PREVIOUSSONG\0" "STOPCD\0" "RECORD\0" "REWIND\0" "PHONE\0" "ISO\0"
	  "CONFIG\0" "HOMEPAGE\0" "REFRESH\0" "EXIT\0" "MOVE\0" "EDIT\0" "SCROLLUP\0"
	  "SCROLLDOWN\0" "KPLEFTPAREN\0" "KPRIGHTPAREN\0" "NEW\0" "REDO\0" "F13\0" "F14\0"
	  "F15\0" "F16\0" "F17\0" "F18\0" "F19\0" "F20\0" "F21\0" "F22\0" "F23\0" "F24\0" },
	{ 0xc8, "PLAYCD\0" "PAUSECD\0" "PROG3\0" "PROG4\0" "ALL_APPLICATIONS\0" "SUSPEND\0"
	  "CLOSE\0" "PLAY\0" "FASTFORWARD\0" "BASSBOOST\0" "PRINT\0" "HP\0" "CAMERA\0" "SOUND\0"
	  "QUESTION\0" "EMAIL\0" "CHAT\0" "SEARCH\0" "CONNECT\0" "FINANCE\0" "SPORT\0" "SHOP\0"
	  "ALTERASE\0" "CANCEL\0" "BRIGHTNESSDOWN\0" "BRIGHTNESSUP\0" "MEDIA\0"
	  "SWITCHVIDEOMODE\0" "KBDILLUMTOGGLE\0" "KBDILLUMDOWN\0" "KBDILLUMUP\0" "SEND\0"
	  "REPLY\0" "FORWARDMAIL\0" "SAVE\0" "DOCUMENTS\0" "BATTERY\0" "BLUETOOTH\0" "WLAN\0"
	  "UWB\0" "UNKNOWN\0" "VIDEO_NEXT\0" "VIDEO_PREV\0" "BRIGHTNESS_CYCLE\0"
	  "BRIGHTNESS_AUTO\0" "DISPLAY_OFF\0" "WWAN\0" "RFKILL\0" "MICMUTE\0" },
	{ 0x100, "BTN_0\0" "BTN_1\0" "BTN_2\0" "BTN_3\0" "BTN_4\0" "BTN_5\0" "BTN_6\0" "BTN_7\0"
	  "BTN_8\0" "BTN_9\0" },
	{ 0x110, "BTN_LEFT\0" "BTN_RIGHT\0" "BTN_MIDDLE\0" "BTN_SIDE\0" "BTN_EXTRA\0"
	  "BTN_FORWARD\0" "BTN_BACK\0" "BTN_TASK\0" },
	{ 0x120, "BTN_TRIGGER\0" "BTN_THUMB\0" "BTN_THUMB2\0" "BTN_TOP\0" "BTN_TOP2\0"
	  "BTN_PINKIE\0" "BTN_BASE\0" "BTN_BASE2\0" "BTN_BASE3\0" "BTN_BASE4\0" "BTN_BASE5\0"
	  "BTN_BASE6\0" },
	{ 0x12f, "BTN_DEAD\0" "BTN_SOUTH\0" "BTN_EAST\0" "BTN_C\0" "BTN_NORTH\0" "BTN_WEST\0"
	  "BTN_Z\0" "BTN_TL\0" "BTN_TR\0" "BTN_TL2\0" "BTN_TR2\0" "BTN_SELECT\0" "BTN_START\0"
	  "BTN_MODE\0" "BTN_THUMBL\0" "BTN_THUMBR\0" "?\0" "BTN_TOOL_PEN\0" "BTN_TOOL_RUBBER\0"
	  "BTN_TOOL_BRUSH\0" "BTN_TOOL_PENCIL\0" "BTN_TOOL_AIRBRUSH\0" "BTN_TOOL_FINGER\0"
	  "BTN_TOOL_MOUSE\0" "BTN_TOOL_LENS\0" "BTN_TOOL_QUINTTAP\0" "BTN_STYLUS3\0"
	  "BTN_TOUCH\0" "BTN_STYLUS\0" "BTN_STYLUS2\0" "BTN_TOOL_DOUBLETAP\0"
	  "BTN_TOOL_TRIPLETAP\0" "BTN_TOOL_QUADTAP\0" "BTN_GEAR_DOWN\0" "BTN_GEAR_UP\0" },
	{ 0x160, "OK\0" "SELECT\0" "GOTO\0" "CLEAR\0" "POWER2\0" "OPTION\0" "INFO\0" "TIME\0"
	  "VENDOR\0" "ARCHIVE\0" "PROGRAM\0" "CHANNEL\0" "FAVORITES\0" "EPG\0" "PVR\0" "MHP\0"
	  "LANGUAGE\0" "TITLE\0" "SUBTITLE\0" "ANGLE\0" "FULL_SCREEN\0" "MODE\0" "KEYBOARD\0"
	  "ASPECT_RATIO\0" "PC\0" "TV\0" "TV2\0" "VCR\0" "VCR2\0" "SAT\0" "SAT2\0" "CD\0"
	  "TAPE\0" "RADIO\0" "TUNER\0" "PLAYER\0" "TEXT\0" "DVD\0" "AUX\0" "MP3\0" "AUDIO\0"
	  "VIDEO\0" "DIRECTORY\0" "LIST\0" "MEMO\0" "CALENDAR\0" "RED\0" "GREEN\0" "YELLOW\0"
	  "BLUE\0" "CHANNELUP\0" "CHANNELDOWN\0" "FIRST\0" "LAST\0" "AB\0" "NEXT\0" "RESTART\0"
	  "SLOW\0" "SHUFFLE\0" "BREAK\0" "PREVIOUS\0" "DIGITS\0" "TEEN\0" "TWEN\0" "VIDEOPHONE\0"
	  "GAMES\0" "ZOOMIN\0" "ZOOMOUT\0" "ZOOMRESET\0" "WORDPROCESSOR\0" "EDITOR\0"
	  "SPREADSHEET\0" "GRAPHICSEDITOR\0" "PRESENTATION\0" "DATABASE\0" "NEWS\0" "VOICEMAIL\0"
	  "ADDRESSBOOK\0" "MESSENGER\0" "DISPLAYTOGGLE\0" "SPELLCHECK\0" "LOGOFF\0" "DOLLAR\0"
	  "EURO\0" "FRAMEBACK\0" "FRAMEFORWARD\0" "CONTEXT_MENU\0" "MEDIA_REPEAT\0"
	  "10CHANNELSUP\0" "10CHANNELSDOWN\0" "IMAGES\0" "?\0" "NOTIFICATION_CENTER\0"
	  "PICKUP_PHONE\0" "HANGUP_PHONE\0" "LINK_PHONE\0" "DEL_EOL\0" "DEL_EOS\0" "INS_LINE\0"
	  "DEL_LINE\0" },
	{ 0x1d0, "FN\0" "FN_ESC\0" "FN_F1\0" "FN_F2\0" "FN_F3\0" "FN_F4\0" "FN_F5\0" "FN_F6\0"
	  "FN_F7\0" "FN_F8\0" "FN_F9\0" "FN_F10\0" "FN_F11\0" "FN_F12\0" "FN_1\0" "FN_2\0"
	  "FN_D\0" "FN_E\0" "FN_F\0" "FN_S\0" "FN_B\0" "FN_RIGHT_SHIFT\0" },
	{ 0x1f1, "BRL_DOT1\0" "BRL_DOT2\0" "BRL_DOT3\0" "BRL_DOT4\0" "BRL_DOT5\0" "BRL_DOT6\0"
	  "BRL_DOT7\0" "BRL_DOT8\0" "BRL_DOT9\0" "BRL_DOT10\0" },
	{ 0x200, "NUMERIC_0\0" "NUMERIC_1\0" "NUMERIC_2\0" "NUMERIC_3\0" "NUMERIC_4\0"
	  "NUMERIC_5\0" "NUMERIC_6\0" "NUMERIC_7\0" "NUMERIC_8\0" "NUMERIC_9\0" "NUMERIC_STAR\0"
	  "NUMERIC_POUND\0" "NUMERIC_A\0" "NUMERIC_B\0" "NUMERIC_C\0" "NUMERIC_D\0"
	  "CAMERA_FOCUS\0" "WPS_BUTTON\0" "TOUCHPAD_TOGGLE\0" "TOUCHPAD_ON\0" "TOUCHPAD_OFF\0"
	  "CAMERA_ZOOMIN\0" "CAMERA_ZOOMOUT\0" "CAMERA_UP\0" "CAMERA_DOWN\0" "CAMERA_LEFT\0"
	  "CAMERA_RIGHT\0" "ATTENDANT_ON\0" "ATTENDANT_OFF\0" "ATTENDANT_TOGGLE\0"
	  "LIGHTS_TOGGLE\0" "?\0" "BTN_DPAD_UP\0" "BTN_DPAD_DOWN\0" "BTN_DPAD_LEFT\0"
	  "BTN_DPAD_RIGHT\0" },
	{ 0x230, "ALS_TOGGLE\0" "ROTATE_LOCK_TOGGLE\0" "REFRESH_RATE_TOGGLE\0" },
	{ 0x240, "BUTTONCONFIG\0" "TASKMANAGER\0" "JOURNAL\0" "CONTROLPANEL\0" "APPSELECT\0"
	  "SCREENSAVER\0" "VOICECOMMAND\0" "ASSISTANT\0" "KBD_LAYOUT_NEXT\0" "EMOJI_PICKER\0"
	  "DICTATE\0" },
	{ 0x250, "BRIGHTNESS_MIN\0" },
	{ 0x260, "KBDINPUTASSIST_PREV\0" "KBDINPUTASSIST_NEXT\0" "KBDINPUTASSIST_PREVGROUP\0"
	  "KBDINPUTASSIST_NEXTGROUP\0" "KBDINPUTASSIST_ACCEPT\0" "KBDINPUTASSIST_CANCEL\0"
	  "RIGHT_UP\0" "RIGHT_DOWN\0" "LEFT_UP\0" "LEFT_DOWN\0" "ROOT_MENU\0" "MEDIA_TOP_MENU\0"
	  "NUMERIC_11\0" "NUMERIC_12\0" "AUDIO_DESC\0" "3D_MODE\0" "NEXT_FAVORITE\0"
	  "STOP_RECORD\0" "PAUSE_RECORD\0" "VOD\0" "UNMUTE\0" "FASTREVERSE\0" "SLOWREVERSE\0"
	  "DATA\0" "ONSCREEN_KEYBOARD\0" "PRIVACY_SCREEN_TOGGLE\0" "SELECTIVE_SCREENSHOT\0"
	  "NEXT_ELEMENT\0" "PREVIOUS_ELEMENT\0" "AUTOPILOT_ENGAGE_TOGGLE\0" "MARK_WAYPOINT\0"
	  "SOS\0" "NAV_CHART\0" "FISHING_CHART\0" "SINGLE_RANGE_RADAR\0" "DUAL_RANGE_RADAR\0"
	  "RADAR_OVERLAY\0" "TRADITIONAL_SONAR\0" "CLEARVU_SONAR\0" "SIDEVU_SONAR\0" "NAV_INFO\0"
	  "BRIGHTNESS_MENU\0" },
	{ 0x290, "MACRO1\0" "MACRO2\0" "MACRO3\0" "MACRO4\0" "MACRO5\0" "MACRO6\0" "MACRO7\0"
	  "MACRO8\0" "MACRO9\0" "MACRO10\0" "MACRO11\0" "MACRO12\0" "MACRO13\0" "MACRO14\0"
	  "MACRO15\0" "MACRO16\0" "MACRO17\0" "MACRO18\0" "MACRO19\0" "MACRO20\0" "MACRO21\0"
	  "MACRO22\0" "MACRO23\0" "MACRO24\0" "MACRO25\0" "MACRO26\0" "MACRO27\0" "MACRO28\0"
	  "MACRO29\0" "MACRO30\0" "?\0" "?\0" "MACRO_RECORD_START\0" "MACRO_RECORD_STOP\0"
	  "MACRO_PRESET_CYCLE\0" "MACRO_PRESET1\0" "MACRO_PRESET2\0" "MACRO_PRESET3\0" "?\0"
	  "?\0" "KBD_LCD_MENU1\0" "KBD_LCD_MENU2\0" "KBD_LCD_MENU3\0" "KBD_LCD_MENU4\0"
	  "KBD_LCD_MENU5\0" },
	{ 0x2c0, "BTN_TRIGGER_HAPPY1\0" "BTN_TRIGGER_HAPPY2\0" "BTN_TRIGGER_HAPPY3\0"
	  "BTN_TRIGGER_HAPPY4\0" "BTN_TRIGGER_HAPPY5\0" "BTN_TRIGGER_HAPPY6\0"
	  "BTN_TRIGGER_HAPPY7\0" "BTN_TRIGGER_HAPPY8\0" "BTN_TRIGGER_HAPPY9\0"
	  "BTN_TRIGGER_HAPPY10\0" "BTN_TRIGGER_HAPPY11\0" "BTN_TRIGGER_HAPPY12\0"
	  "BTN_TRIGGER_HAPPY13\0" "BTN_TRIGGER_HAPPY14\0" "BTN_TRIGGER_HAPPY15\0"
	  "BTN_TRIGGER_HAPPY16\0" "BTN_TRIGGER_HAPPY17\0" "BTN_TRIGGER_HAPPY18\0"
	  "BTN_TRIGGER_HAPPY19\0" "BTN_TRIGGER_HAPPY20\0" "BTN_TRIGGER_HAPPY21\0"
	  "BTN_TRIGGER_HAPPY22\0" "BTN_TRIGGER_HAPPY23\0" "BTN_TRIGGER_HAPPY24\0"
	  "BTN_TRIGGER_HAPPY25\0" "BTN_TRIGGER_HAPPY26\0" "BTN_TRIGGER_HAPPY27\0"
	  "BTN_TRIGGER_HAPPY28\0" "BTN_TRIGGER_HAPPY29\0" "BTN_TRIGGER_HAPPY30\0"
	  "BTN_TRIGGER_HAPPY31\0" "BTN_TRIGGER_HAPPY32\0" "BTN_TRIGGER_HAPPY33\0"
	  "BTN_TRIGGER_HAPPY34\0" "BTN_TRIGGER_HAPPY35\0" "BTN_TRIGGER_HAPPY36\0"
	  "BTN_TRIGGER_HAPPY37\0" "BTN_TRIGGER_HAPPY38\0" "BTN_TRIGGER_HAPPY39\0"
	  "BTN_TRIGGER_HAPPY40\0" },
	{ 0, NULL }
};

static const struct run rel_names[] = {
	{ 0x0, "X\0" "Y\0" "Z\0" "RX\0" "RY\0" "RZ\0" "HWHEEL\0" "DIAL\0" "WHEEL\0" "MISC\0"
	  "RESERVED\0" "WHEEL_HI_RES\0" "HWHEEL_HI_RES\0" },
	{ 0, NULL }
};

static const struct run abs_names[] = {
	{ 0x0, "X\0" "Y\0" "Z\0" "RX\0" "RY\0" "RZ\0" "THROTTLE\0" "RUDDER\0" "WHEEL\0" "GAS\0"
	  "BRAKE\0" },
	{ 0x10, "HAT0X\0" "HAT0Y\0" "HAT1X\0" "HAT1Y\0" "HAT2X\0" "HAT2Y\0" "HAT3X\0" "HAT3Y\0"
	  "PRESSURE\0" "DISTANCE\0" "TILT_X\0" "TILT_Y\0" "TOOL_WIDTH\0" },
	{ 0x20, "VOLUME\0" "PROFILE\0" },
	{ 0x28, "MISC\0" },
	{ 0x2e, "RESERVED\0" "MT_SLOT\0" "MT_TOUCH_MAJOR\0" "MT_TOUCH_MINOR\0" "MT_WIDTH_MAJOR\0"
	  "MT_WIDTH_MINOR\0" "MT_ORIENTATION\0" "MT_POSITION_X\0" "MT_POSITION_Y\0"
	  "MT_TOOL_TYPE\0" "MT_BLOB_ID\0" "MT_TRACKING_ID\0" "MT_PRESSURE\0" "MT_DISTANCE\0"
	  "MT_TOOL_X\0" "MT_TOOL_Y\0" },
	{ 0, NULL }
};

static const struct run msc_names[] = {
	{ 0x0, "SERIAL\0" "PULSELED\0" "GESTURE\0" "RAW\0" "SCAN\0" "TIMESTAMP\0" },
	{ 0, NULL }
};

static const struct run sw_names[] = {
	{ 0x0, "LID\0" "TABLET_MODE\0" "HEADPHONE_INSERT\0" "RFKILL_ALL\0" "MICROPHONE_INSERT\0"
	  "DOCK\0" "LINEOUT_INSERT\0" "JACK_PHYSICAL_INSERT\0" "VIDEOOUT_INSERT\0"
	  "CAMERA_LENS_COVER\0" "KEYPAD_SLIDE\0" "FRONT_PROXIMITY\0" "ROTATE_LOCK\0"
	  "LINEIN_INSERT\0" "MUTE_DEVICE\0" "PEN_INSERTED\0" "MACHINE_COVER\0" },
	{ 0, NULL }
};

static const struct run led_names[] = {
	{ 0x0, "NUML\0" "CAPSL\0" "SCROLLL\0" "COMPOSE\0" "KANA\0" "SLEEP\0" "SUSPEND\0" "MUTE\0"
	  "MISC\0" "MAIL\0" "CHARGING\0" },
	{ 0, NULL }
};

static const struct run snd_names[] = {
	{ 0x0, "CLICK\0" "BELL\0" "TONE\0" },
	{ 0, NULL }
};

static const struct run rep_names[] = {
	{ 0x0, "DELAY\0" "PERIOD\0" },
	{ 0, NULL }
};

static const struct run prop_names[] = {
	{ 0x0, "POINTER\0" "DIRECT\0" "BUTTONPAD\0" "SEMI_MT\0" "TOPBUTTONPAD\0"
	  "POINTING_STICK\0" "ACCELEROMETER\0" },
	{ 0, NULL }
};

static const struct names {
	unsigned type;
	const char *prefix;
	const struct run *runs;
} all[] = {
	{ INPUT_NAMES_EV, "EV_", ev_names }, { INPUT_NAMES_PROP, "INPUT_PROP_", prop_names },
	{ EV_SYN, "SYN_", syn_names }, { EV_KEY, "KEY_", key_names },
	{ EV_REL, "REL_", rel_names }, { EV_ABS, "ABS_", abs_names },
	{ EV_MSC, "MSC_", msc_names }, { EV_SW, "SW_", sw_names },
	{ EV_LED, "LED_", led_names }, { EV_SND, "SND_", snd_names },
	{ EV_REP, "REP_", rep_names },
};

static const struct names *find(unsigned type)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].type == type)
			return &all[i];
	}
	return NULL;
}

static const char *bare_name(const struct names *n, unsigned code)
{
	const struct run *run = n->runs;
	const char *name;

	while (run[1].names != NULL && run[1].first <= code)
		run++;
	name = code >= run->first ? vu_name_of(run->names, code - run->first) : NULL;
	return name != NULL && *name != '?' ? name : NULL;
}

const char *input_name(unsigned type, unsigned code, char buf[INPUT_NAME_SIZE])
{
	const struct names *n = find(type);
	const char *name = n != NULL ? bare_name(n, code) : NULL;

	if (name == NULL)
		snprintf(buf, INPUT_NAME_SIZE, "%u", code);
	else
		snprintf(buf, INPUT_NAME_SIZE, "%s%s",
			 strncmp(name, "BTN_", 4) == 0 ? "" : n->prefix, name);
	return buf;
}

static int search(const struct names *n, const char *text, unsigned *ret_code)
{
	const struct run *run;
	const char *name;
	unsigned i;

	for (run = n->runs; run->names != NULL; run++) {
		for (i = 0, name = run->names; *name != '\0'; i++, name += strlen(name) + 1) {
			if (strcasecmp(name, text) == 0 && *name != '?') {
				*ret_code = run->first + i;
				return 0;
			}
		}
	}
	return -EINVAL;
}

int input_code(unsigned type, const char *text, unsigned most, unsigned *ret_code)
{
	const struct names *n = find(type);
	size_t len = n != NULL ? strlen(n->prefix) : 0;
	unsigned code = 0;
	uint64_t number;
	int ret = -EINVAL;

	if (len > 0 && strncasecmp(text, n->prefix, len) == 0)
		text += len;
	/* Keys 0 to 9 are names; whoever means a number uses two digits or more. */
	if (n != NULL)
		ret = search(n, text, &code);
	if (ret < 0) {
		ret = num_parse(text, 0, most, &number);
		code = ret == 0 ? (unsigned)number : 0;
	}
	if (ret == 0 && code > most)
		ret = -ERANGE;
	if (ret == 0)
		*ret_code = code;
	return ret;
}
