// RMSNorm of 128 channels, three tokens: two passes over a buffer and a long chain of operators between them.
module case_rms_norm (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [63:0] data
);
  wire [3:0] ended;
  assign finished = &ended;
  wire [63:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(192), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [63:0] gamma_in, gamma_out;
  wire gamma_in_valid, gamma_in_ready, gamma_valid, gamma_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) gamma (
      .clk, .reset, .in(gamma_in), .in_valid(gamma_in_valid), .in_ready(gamma_in_ready), .out(gamma_out), .out_valid(gamma_valid),
      .out_ready(gamma_ready)
  );
  word_source #(.WORDS(192), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(2)) gamma_source (
      .clk, .reset, .start, .out(gamma_in), .out_valid(gamma_in_valid), .out_ready(gamma_in_ready), .finished(ended[1])
  );
  wire [63:0] y_in, y_out;
  wire y_in_valid, y_in_ready, y_valid, y_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) y (
      .clk, .reset, .in(y_in), .in_valid(y_in_valid), .in_ready(y_in_ready), .out(y_out), .out_valid(y_valid),
      .out_ready(y_ready)
  );
  norm_process #(.CHANNELS(2), .WORDS(64), .BLOCKS(3), .COUNT(32'h43000000)) unit (
      .clk, .reset, .start, .in(x_out), .in_valid(x_valid), .in_ready(x_ready), .gamma(gamma_out), .gamma_valid, .gamma_ready,
      .out(y_in), .out_valid(y_in_valid), .out_ready(y_in_ready), .finished(ended[2])
  );
  word_sink #(.WORDS(192), .INTERVAL(1)) y_sink (
      .clk, .reset, .start, .in_valid(y_valid), .in_ready(y_ready), .finished(ended[3])
  );
  assign fire[0] = y_valid && y_ready;
  assign data[0+:64] = 64'(y_out);
endmodule
