// The functions of hls_math.h that have a counterpart in the C library.
#pragma once

#include <math.h>

namespace hls {
using ::exp;
using ::expf;
using ::fabs;
using ::fabsf;
using ::log;
using ::logf;
using ::sqrt;
using ::sqrtf;
}  // namespace hls
