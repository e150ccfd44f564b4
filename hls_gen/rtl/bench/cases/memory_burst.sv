// A burst of 120 words from a port of half a word a cycle and 64 cycles to the first, packed in pairs.
module case_memory_burst (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [255:0] data
);
  wire [1:0] ended;
  assign finished = &ended;
  wire [255:0] vectors_in, vectors_out;
  wire vectors_in_valid, vectors_in_ready, vectors_valid, vectors_ready;
  fifo_registers #(.WIDTH(256), .DEPTH(2)) vectors (
      .clk, .reset, .in(vectors_in), .in_valid(vectors_in_valid), .in_ready(vectors_in_ready), .out(vectors_out), .out_valid(vectors_valid),
      .out_ready(vectors_ready)
  );
  memory_reader #(.VECTORS(60), .PARTS(2), .LANES(4), .LATENCY(64), .BEAT(2), .AHEAD(32)) reader (
      .clk, .reset, .start, .out(vectors_in), .out_valid(vectors_in_valid), .out_ready(vectors_in_ready), .finished(ended[0])
  );
  word_sink #(.WORDS(60), .INTERVAL(1)) vectors_sink (
      .clk, .reset, .start, .in_valid(vectors_valid), .in_ready(vectors_ready), .finished(ended[1])
  );
  assign fire[0] = vectors_valid && vectors_ready;
  assign data[0+:256] = 256'(vectors_out);
endmodule
