// Included by generated code that does not use it; code that does is refused by the compiler with the name.
#pragma once
