// The MAX_K largest keys so far, largest first, the earlier one of equals, each with its token. Latency: 1 cycle.
// C++: candidate_list (sampler.hpp).
module candidate_list #(
    parameter int MAX_K = 8
) (
    input  logic                clk,
    input  logic                enable,
    input  logic                first,  // forget all before this key
    input  logic [        31:0] key,
    input  logic [        31:0] token,
    output logic [MAX_K*32-1:0] keys,
    output logic [MAX_K*32-1:0] tokens
);
  for (genvar i = 0; i < MAX_K; ++i) begin : place
    wire [31:0] old_key = first ? 32'd0 : keys[32*i+:32];
    wire [31:0] old_token = first ? 32'd0 : tokens[32*i+:32];
    wire beats = key > old_key;
    if (i == 0) begin : top
      always_ff @(posedge clk)
        if (enable) begin
          keys[31:0] <= beats ? key : old_key;
          tokens[31:0] <= beats ? token : old_token;
        end
    end else begin : lower
      always_ff @(posedge clk)
        if (enable) begin
          keys[32*i+:32] <= place[i-1].beats ? place[i-1].old_key : beats ? key : old_key;
          tokens[32*i+:32] <= place[i-1].beats ? place[i-1].old_token : beats ? token : old_token;
        end
    end
  end
endmodule
