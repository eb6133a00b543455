/* report_page.h - the page around the data; made by report/make-page.sh */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SERVER_REPORT_PAGE_H
#define QUIRE_SERVER_REPORT_PAGE_H

#include <stddef.h>

extern const unsigned char report_page_head[];
extern const size_t report_page_head_size;
extern const unsigned char report_page_tail[];
extern const size_t report_page_tail_size;

#endif
