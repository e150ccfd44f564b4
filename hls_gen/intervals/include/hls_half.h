// Half precision as the compiler has it.
#pragma once

using half = _Float16;
