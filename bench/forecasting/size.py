"""How long a forecast of a large portfolio takes, and how much memory, from its daily counts on."""

import threading
import time

import numpy as np
import psutil

from bench.measuring import Report
from datetime import date

from ml.forecast import MESSAGE_KPIS, Dimension, Policy
from ml.forecast.cohorts import Cohorts, Outcome
from ml.forecast.messages import forecast_messages
from ml.frames import History
