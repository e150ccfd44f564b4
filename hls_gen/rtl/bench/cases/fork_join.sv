// A fork, two adders on one way and a FIFO on the other, a join.
module case_fork_join #(
    parameter int WORDS = 200,
    parameter int INTERVAL = 1,
    parameter int SKIP_DEPTH = 24
) (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [31:0] data
);
  wire [4:0] ended;
  assign finished = &ended;
  wire [31:0] in_in, in_out;
  wire in_in_valid, in_in_ready, in_valid, in_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) in (
      .clk, .reset, .in(in_in), .in_valid(in_in_valid), .in_ready(in_in_ready), .out(in_out), .out_valid(in_valid),
      .out_ready(in_ready)
  );
  word_source #(.WORDS(WORDS), .INTERVAL(INTERVAL), .LANES(1), .BITS(32), .FLOATS(1), .SEED(1)) in_source (
      .clk, .reset, .start, .out(in_in), .out_valid(in_in_valid), .out_ready(in_in_ready), .finished(ended[0])
  );
  wire [31:0] skip_in, skip_out;
  wire skip_in_valid, skip_in_ready, skip_valid, skip_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(SKIP_DEPTH)) skip (
      .clk, .reset, .in(skip_in), .in_valid(skip_in_valid), .in_ready(skip_in_ready), .out(skip_out), .out_valid(skip_valid),
      .out_ready(skip_ready)
  );
  wire [31:0] branch_in, branch_out;
  wire branch_in_valid, branch_in_ready, branch_valid, branch_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) branch (
      .clk, .reset, .in(branch_in), .in_valid(branch_in_valid), .in_ready(branch_in_ready), .out(branch_out), .out_valid(branch_valid),
      .out_ready(branch_ready)
  );
  wire [31:0] late_in, late_out;
  wire late_in_valid, late_in_ready, late_valid, late_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) late (
      .clk, .reset, .in(late_in), .in_valid(late_in_valid), .in_ready(late_in_ready), .out(late_out), .out_valid(late_valid),
      .out_ready(late_ready)
  );
  wire [31:0] out_in, out_out;
  wire out_in_valid, out_in_ready, out_valid, out_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) out (
      .clk, .reset, .in(out_in), .in_valid(out_in_valid), .in_ready(out_in_ready), .out(out_out), .out_valid(out_valid),
      .out_ready(out_ready)
  );
  wire split_enable;
  pipelined_process #(.INPUTS(1), .OUTPUTS(2), .DEPTH(1)) split (
      .clk, .reset, .start, .bounds(16'(WORDS)), .takes('1), .in_valid({in_valid}),
      .in_ready({in_ready}), .gives('1), .out_valid({skip_in_valid, branch_in_valid}),
      .out_ready({skip_in_ready, branch_in_ready}), .enable(split_enable), .stage(), .first(), .last(), .counters(),
      .finished(ended[1])
  );
  assign skip_in = in_out;
  assign branch_in = in_out;
  wire delay_enable;
  wire [31:0] halfway;
  pipelined_process #(.INPUTS(1), .OUTPUTS(1), .DEPTH(15)) delay (
      .clk, .reset, .start, .bounds(16'(WORDS)), .takes('1), .in_valid({branch_valid}),
      .in_ready({branch_ready}), .gives('1), .out_valid({late_in_valid}),
      .out_ready({late_in_ready}), .enable(delay_enable), .stage(), .first(), .last(), .counters(),
      .finished(ended[2])
  );
  fp_add once (.clk, .enable(delay_enable), .a(branch_out), .b(32'h3f800000), .y(halfway));
  fp_add twice (.clk, .enable(delay_enable), .a(halfway), .b(32'h3f800000), .y(late_in));
  wire joined_enable;
  pipelined_process #(.INPUTS(2), .OUTPUTS(1), .DEPTH(8)) joined (
      .clk, .reset, .start, .bounds(16'(WORDS)), .takes('1), .in_valid({skip_valid, late_valid}),
      .in_ready({skip_ready, late_ready}), .gives('1), .out_valid({out_in_valid}),
      .out_ready({out_in_ready}), .enable(joined_enable), .stage(), .first(), .last(), .counters(),
      .finished(ended[3])
  );
  fp_add sum (.clk, .enable(joined_enable), .a(skip_out), .b(late_out), .y(out_in));
  word_sink #(.WORDS(WORDS), .INTERVAL(1)) out_sink (
      .clk, .reset, .start, .in_valid(out_valid), .in_ready(out_ready), .finished(ended[4])
  );
  assign fire[0] = out_valid && out_ready;
  assign data[0+:32] = 32'(out_out);
endmodule
