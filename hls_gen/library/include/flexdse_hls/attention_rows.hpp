// Purpose: what the query rows of an attention module are, which share each key and value that arrives.
//
// tokens: the tokens of a block (prefill), side by side in a word, one position further each.
// heads: the query heads of one KV head (decode), all at one position; they come and go one after the other.
#pragma once

namespace flexdse_hls {

enum class attention_rows { tokens, heads };

}  // namespace flexdse_hls
