"""The shared vocabulary of FlexDSE: devices, models, workloads, design points and reports, frozen and validated."""
