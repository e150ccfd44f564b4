// Splits a product of FIELDS signed fields, each lacking the borrow of the one below, and adds each to its sum. Latency 1.
// C++: split_fields and accumulate of pe.hpp. The borrow is the carry input of the same adder.
module field_accumulators #(
    parameter int FIELDS = 2,
    parameter int FIELD = 16,
    parameter int ACC = 32
) (
    input  logic                    clk,
    input  logic                    enable,
    input  logic                    accumulate,
    input  logic [FIELDS*FIELD-1:0] product,
    output logic [  FIELDS*ACC-1:0] sums
);
  for (genvar i = 0; i < FIELDS; ++i) begin : field
    wire [FIELD-1:0] part = product[i*FIELD+:FIELD];
    // By the field below, if it is negative; where that is -1 and got back a borrow itself, the carry of its zero.
    wire borrowed = i > 0 && product[(i > 0 ? i * FIELD : 1) - 1];
    wire [ACC-1:0] so_far = accumulate ? sums[i*ACC+:ACC] : {ACC{1'b0}};
    wire [ACC-1:0] next = so_far + {{(ACC - FIELD) {part[FIELD-1]}}, part} + {{(ACC - 1) {1'b0}}, borrowed};
    always_ff @(posedge clk) if (enable) sums[i*ACC+:ACC] <= next;
  end
endmodule
