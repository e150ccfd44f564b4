// Residual adder and static quantizer, a scale for every eight words.
module case_quantizer_chain (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [15:0] data
);
  wire [5:0] ended;
  assign finished = &ended;
  wire [63:0] a_in, a_out;
  wire a_in_valid, a_in_ready, a_valid, a_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) a (
      .clk, .reset, .in(a_in), .in_valid(a_in_valid), .in_ready(a_in_ready), .out(a_out), .out_valid(a_valid),
      .out_ready(a_ready)
  );
  word_source #(.WORDS(320), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(1)) a_source (
      .clk, .reset, .start, .out(a_in), .out_valid(a_in_valid), .out_ready(a_in_ready), .finished(ended[0])
  );
  wire [63:0] b_in, b_out;
  wire b_in_valid, b_in_ready, b_valid, b_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) b (
      .clk, .reset, .in(b_in), .in_valid(b_in_valid), .in_ready(b_in_ready), .out(b_out), .out_valid(b_valid),
      .out_ready(b_ready)
  );
  word_source #(.WORDS(320), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(2)) b_source (
      .clk, .reset, .start, .out(b_in), .out_valid(b_in_valid), .out_ready(b_in_ready), .finished(ended[1])
  );
  wire [63:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  wire [63:0] scales_in, scales_out;
  wire scales_in_valid, scales_in_ready, scales_valid, scales_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) scales (
      .clk, .reset, .in(scales_in), .in_valid(scales_in_valid), .in_ready(scales_in_ready), .out(scales_out), .out_valid(scales_valid),
      .out_ready(scales_ready)
  );
  word_source #(.WORDS(40), .INTERVAL(3), .LANES(2), .BITS(32), .FLOATS(1), .SEED(3)) scales_source (
      .clk, .reset, .start, .out(scales_in), .out_valid(scales_in_valid), .out_ready(scales_in_ready), .finished(ended[2])
  );
  wire [15:0] q_in, q_out;
  wire q_in_valid, q_in_ready, q_valid, q_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(2)) q (
      .clk, .reset, .in(q_in), .in_valid(q_in_valid), .in_ready(q_in_ready), .out(q_out), .out_valid(q_valid),
      .out_ready(q_ready)
  );
  wire add_enable, quantize_enable;
  pipelined_process #(.INPUTS(2), .DEPTH(8)) add (
      .clk, .reset, .start, .bounds(16'(320)), .takes(2'b11), .in_valid({a_valid, b_valid}), .in_ready({a_ready, b_ready}), .gives(1'b1),
      .out_valid(x_in_valid), .out_ready(x_in_ready), .enable(add_enable), .stage(), .first(), .last(), .counters(), .finished(ended[3])
  );
  wire first;
  pipelined_process #(.INPUTS(2), .LOOPS(2), .DEPTH(7)) quantize (
      .clk, .reset, .start, .bounds({16'(40), 16'(8)}), .takes({first, 1'b1}), .in_valid({scales_valid, x_valid}),
      .in_ready({scales_ready, x_ready}), .gives(1'b1), .out_valid(q_in_valid), .out_ready(q_in_ready), .enable(quantize_enable),
      .stage(), .first, .last(), .counters(), .finished(ended[4])
  );
  logic [63:0] kept;
  wire [63:0] scale = first ? scales_out : kept;
  always_ff @(posedge clk) if (scales_ready) kept <= scales_out;
  for (genvar i = 0; i < 2; ++i) begin : lane
    fp_add sum (.clk, .enable(add_enable), .a(a_out[32*i+:32]), .b(b_out[32*i+:32]), .y(x_in[32*i+:32]));
    quantize_lane quantized (.clk, .enable(quantize_enable), .x(x_out[32*i+:32]), .inverse(scale[32*i+:32]), .q(q_in[8*i+:8]));
  end
  word_sink #(.WORDS(320), .INTERVAL(1)) q_sink (
      .clk, .reset, .start, .in_valid(q_valid), .in_ready(q_ready), .finished(ended[5])
  );
  assign fire[0] = q_valid && q_ready;
  assign data[0+:16] = 16'(q_out);
endmodule
