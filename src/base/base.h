/* base.h - the door of base/ */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_BASE_H
#define QUIRE_BASE_BASE_H

#include "base/bitmap.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/error.h"
#include "base/hook.h"
#include "base/json.h"
#include "base/lane.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/range_tree.h"
#include "base/size.h"
#include "base/trace.h"
#include "base/worker.h"

#endif
