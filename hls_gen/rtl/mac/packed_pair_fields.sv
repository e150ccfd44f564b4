// The two sums of a packed pair: the upper one gets back the borrow of a negative lower one. C++: split_fields (pe.hpp).
module packed_pair_fields #(
    parameter int ACC = 19
) (
    input  logic [2*ACC-1:0] pair,
    output logic [  ACC-1:0] low,
    output logic [  ACC-1:0] high
);
  assign low = pair[ACC-1:0];
  assign high = pair[2*ACC-1:ACC] + ACC'(pair[ACC-1]);
endmodule
