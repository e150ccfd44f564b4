// Purpose: integers of any width, for lint: clang has them built in, and AMD's open ap_int.h refuses to be synthesized.
#pragma once

template <int B>
using ap_int = _BitInt(B);
template <int B>
using ap_uint = unsigned _BitInt(B);
