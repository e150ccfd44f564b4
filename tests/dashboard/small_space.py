"""A corner of the design space that is searched in a second or two.

A sampled search also computes the exact front of its space, so that a small budget alone does not make it cheap.
"""

SMALL_SPACE = {
    "prefill.token_parallelism": 8,
    "prefill.ffn_weight_blocks": 1,
    "decode.head_parallelism": 1,
    "decode.engine_splits": 1,
    "decode.block_parallelism": 16,
}
