// Still life: fruit, a glazed jug and a glass on a plank table by a window. One unit is 10 cm.
#version 3.7;
#include "turned.inc"
global_settings {
  assumed_gamma 1.0
  max_trace_level 7 adc_bailout 1/60
  radiosity { pretrace_start 0.08 pretrace_end 0.02 count 45 nearest_count 6 error_bound 0.9
              low_error_factor 0.7 recursion_limit 1 brightness 1.1 gray_threshold 0.2 }
}
#default { finish { ambient 0 diffuse 0.75 } }
#declare R = seed(41);

camera {
  location <0.6, 4.1, -11.5>
  look_at <0.05, 1.3, 0>
  right x*1.5 up y angle 35.5
  aperture 0.34 focal_point <-0.3, 1.0, -1.1> blur_samples 5, 31 confidence 0.9 variance 1/1500
}

// The window: a soft light, and the panes that glossy things mirror.
light_source { <-13, 10.5, -6> srgb <1, .96, .88>*1.7
  area_light <0, 5.5, 0>, <3.5, 0, -4.24>, 3, 3 adaptive 0 jitter circular orient }
#declare Pane = box { <-1, -1.3, 0>, <1, 1.3, 0.02> }
union {
  #for (I, 0, 1) #for (J, 0, 2) object { Pane translate <I*2.3 - 1.15, J*2.9 - 2.9, 0> } #end #end
  pigment { srgb <.93, .97, 1> } finish { emission 3.2 diffuse 0 }
  rotate -y*57 translate <-11.5, 9, -5> no_shadow no_radiosity
}
sky_sphere { pigment { gradient y color_map { [0 srgb <.30, .25, .21>] [.6 srgb <.52, .49, .45>] } } }

// Wall.
plane { -z, -5.6
  pigment { bozo turbulence .6 octaves 5 color_map { [0 srgb <.40, .42, .40>] [1 srgb <.52, .53, .49>] } scale 3 }
  normal { granite .12 scale 1.5 }
}

// Planks.
#macro Grain(Dark)
  texture {
    pigment { wood turbulence .09 octaves 4
      color_map { [0 srgb <.55, .36, .21>*Dark] [.4 srgb <.62, .42, .25>*Dark] [.8 srgb <.42, .25, .14>*Dark] [1 srgb <.55, .36, .21>*Dark] }
      rotate y*90 rotate z*.8 scale <9, .32, .32> translate <rand(R)*40, rand(R)*1.2 - .6, rand(R)*9> }
    normal { granite .10 scale <3, .09, .09> }
    finish { diffuse .72 specular .18 roughness .03 reflection { .01, .16 fresnel on } conserve_energy }
  }
  texture {
    pigment { granite color_map { [0 srgbt <.22, .12, .06, .25>] [.28 srgbt <.2, .11, .06, .8>] [.45 srgbt <.2, .1, .05, 1>] } scale <4, .07, .07> translate 17*rand(R) }
  }
#end
#for (I, -4, 4)
  merge {
    box { <-14, -.4, -.62>, <14, -.02, .62> } box { <-14, -.4, -.6>, <14, 0, .6> }
    Grain(.82 + .3*rand(R))
    interior { ior 1.45 }
    translate <0, 0, I*1.255 - .2>
  }
#end
box { <-14, -.5, -6>, <14, -.12, 5.4> pigment { srgb <.12, .07, .04> } }

// A linen cloth: a height grid, creased, with a woven normal.
#declare Soft = function { pattern { bozo scale .9 } }
#declare Crease = function { pattern { wrinkles scale 1.7 } }
#declare Cloth = function(x, z) {
  .03 + .5*pow(max(0, sin(x*1.35 + z*.75 + 2.2*Soft(x*.55, 0, z*.55))), 5)*(.35 + .65*Soft(x*.3 + 4, 2, z*.4))
  + .12*(1 - abs(2*Soft(x*.8 + 9, 5, z*.8 + x*.3) - 1)) + .03*Crease(x, 1, z) }
#macro At(U, V)   // cloth coordinates to a point; the border waves
  #local X = -2.55 + 5.1*U + .14*sin(V*9);
  #local Z = -1.55 + 3.1*V + .12*sin(U*11 + 1);
  <X, Cloth(X, Z)*min(1, .3 + 6*min(min(U, 1 - U), min(V, 1 - V))) + .01, Z>
#end
#macro Facing(U, V) vnormalize(vcross(At(U, V + .004) - At(U, V - .004), At(U + .004, V) - At(U - .004, V))) #end
#declare N = 110;
#declare P = array[N + 1][N + 1]
#declare Q = array[N + 1][N + 1]
#for (I, 0, N) #for (J, 0, N) #declare P[I][J] = At(I/N, J/N); #declare Q[I][J] = Facing(I/N, J/N); #end #end
#declare Weave = function { .5 + .25*(sin(x*150)*.9 + sin(z*150)) }
mesh {
  #for (I, 0, N - 1) #for (J, 0, N - 1)
    smooth_triangle { P[I][J], Q[I][J], P[I + 1][J], Q[I + 1][J], P[I][J + 1], Q[I][J + 1] }
    smooth_triangle { P[I + 1][J], Q[I + 1][J], P[I + 1][J + 1], Q[I + 1][J + 1], P[I][J + 1], Q[I][J + 1] }
  #end #end
  texture {
    pigment { function { select(abs(mod(x + 20.0, 1.7) - .55) - .05, 0, select(abs(mod(x + 20.0, 1.7) - .75) - .03, 0, 1)) }
      color_map { [0 srgb <.25, .36, .52>] [1 srgb <.90, .87, .80>] } }
    normal { function { Weave(x, y, z) } .16 }
    finish { diffuse .8 brilliance .8 }
  }
  rotate y*-17 translate <-1.0, 0, -1.6>
}

// Fruit.
#declare Citrus = finish { diffuse .75 specular .3 roughness .035 reflection { 0, .12 fresnel on } }
#macro Orange(Tint)
  union {
    difference {
      sphere { 0, .78 }
      cone { y*.7, 0, y*.9, .28 }
      pigment { bozo color_map { [0 srgb <.93, .47, .06>*Tint] [1 srgb <.98, .58, .10>*Tint] } scale .5 }
      normal { average normal_map { [1 leopard -.35 scale .021 turbulence .3] [1 bumps .3 scale .07] } }
      finish { Citrus }
    }
    #for (I, 0, 4) sphere { 0, 1 scale <.10, .02, .04> translate x*.06 rotate z*12 rotate y*72*I translate y*.715 pigment { srgb <.35, .42, .16> } } #end
    interior { ior 1.4 }
  }
#end
#macro Apple(Turn)
  union {
    object { Turned(array[9] { <0, .50>, <.14, .66>, <.42, .76>, <.72, .48>, <.80, .08>, <.66, -.42>, <.36, -.68>, <.16, -.66>, <0, -.56> }, 36, 64)
      texture {
        pigment { gradient y color_map { [0 srgb <.78, .66, .22>] [.25 srgb <.74, .30, .12>] [.7 srgb <.66, .09, .07>] [.93 srgb <.70, .40, .14>] [1 srgb <.62, .64, .22>] } turbulence .14 scale 1.7 translate -y*.82 }
        finish { diffuse .65 specular .35 roughness .012 reflection { .01, .35 fresnel on } conserve_energy }
      }
      texture {
        pigment { radial frequency 26 turbulence .22 octaves 3 color_map { [0 srgbt <.90, .55, .25, .80>] [.3 srgbt <.8, .4, .2, .93>] [.6 srgbt <.6, .05, .05, 1>] [.9 srgbt <.42, .02, .03, .7>] [1 srgbt <.90, .55, .25, .80>] } }
        finish { diffuse .65 specular .3 roughness .012 }
      }
      texture {
        pigment { spotted color_map { [.17 srgbt <.95, .85, .55, .2>] [.22 srgbt <.95, .85, .55, 1>] } scale .05 }
        finish { diffuse .65 }
      }
      interior { ior 1.45 }
    }
    #for (I, 0, 9)
      cone { <.0015*I*I, .46 + .055*I, 0>, .034 - .0015*I, <.0015*(I + 1)*(I + 1), .515 + .055*I, 0>, .033 - .0015*I pigment { srgb <.28, .18, .10> } }
    #end
    rotate y*Turn
  }
#end
#macro Lemon()
  object { Turned(array[8] { <0, .93>, <.08, .86>, <.20, .70>, <.46, .40>, <.54, 0>, <.44, -.42>, <.16, -.72>, <0, -.80> }, 32, 64)
    pigment { bozo color_map { [0 srgb <.92, .76, .12>] [1 srgb <.97, .86, .22>] } scale .4 }
    normal { average normal_map { [1 bumps .4 scale .06] [1 leopard -.25 scale .02] } }
    finish { Citrus } interior { ior 1.4 }
  }
#end

// A turned wooden bowl.
object { Turned(array[10] { <0, .16>, <1.2, .24>, <1.9, .62>, <2.22, 1.12>, <2.28, 1.20>, <2.36, 1.14>, <2.1, .55>, <1.45, .12>, <.9, .02>, <0, .0> }, 40, 64)
  texture {
    pigment { wood turbulence .12 octaves 4 color_map { [0 srgb <.40, .22, .12>] [.6 srgb <.31, .16, .08>] [1 srgb <.20, .10, .05>] } scale .3 rotate x*80 translate <3, .2, 0> }
    normal { wood .05 scale <.06, .06, .06> rotate x*90 }
    finish { diffuse .7 specular .35 roughness .02 reflection { .01, .22 fresnel on } }
  }
  interior { ior 1.5 }
  translate <-.55, .02, .35>
}
object { Orange(1) rotate <-25, 20, -15> translate <-1.45, 1.18, -.05> }
object { Orange(.96) rotate <30, 20, -35> translate <-.75, 1.20, 1.35> }
object { Apple(40) rotate <-14, 0, -12> translate <.05, 1.26, -.35> }
object { Orange(.98) rotate <-60, 100, 20> translate <.62, 1.27, .85> }
object { Apple(200) rotate <-25, 0, 16> translate <-.60, 1.95, .42> }
object { Lemon() rotate z*78 rotate y*28 translate <-2.35, .62, -2.35> }

// Half a lemon, its face to the camera.
union {
  difference {
    object { Lemon() rotate x*90 }
    plane { z, 0 }
  }
  cylinder { 0, -z*.004, .515 pigment { srgb <.96, .93, .76> } finish { diffuse .8 } }
  #for (I, 0, 9)
    intersection {
      cylinder { -z*.012, z*.002, .45 }
      plane { x, -.02 rotate -z*17 } plane { -x, -.02 rotate z*17 }
      cylinder { <0, .24, -1>, <0, .24, 1>, .225 scale <.92, 1, 1> }
      pigment { granite color_map { [0 srgb <.93, .80, .30>] [1 srgb <.98, .92, .55>] } scale <.05, .3, .05> }
      normal { granite .4 scale <.05, .2, .05> }
      finish { diffuse .75 specular .5 roughness .01 reflection { 0, .2 fresnel on } }
      interior { ior 1.35 }
      rotate z*36*I
    }
  #end
  rotate <6, 22, 0> translate <-.75, .63, -2.75>
}

// Grapes.
#declare Bunch = seed(8);
#for (I, 0, 46)
  #local U = rand(Bunch);
  #local A = rand(Bunch)*360;
  #local W = .62*(1 - U*.75)*sqrt(rand(Bunch));
  #local G = vrotate(<W, 0, 0>, y*A);
  sphere { 0, .205 + .04*rand(Bunch)
    scale <1, 1.12, 1> rotate 360*<rand(Bunch), rand(Bunch), rand(Bunch)>
    texture {
      pigment { bozo color_map { [0 srgb <.20, .05, .14>] [1 srgb <.34, .08, .18>] } scale .2 translate I }
      finish { diffuse .6 specular .5 roughness .015 reflection { .02, .35 fresnel on } conserve_energy }
    }
    texture { pigment { granite color_map { [.2 srgbt <.62, .62, .78, .6>] [.6 srgbt <.6, .6, .75, .95>] } scale .5 translate I*3 } finish { diffuse .7 } }
    interior { ior 1.4 }
    translate <1.15 + U*1.5 + .3*G.x, .24 + (.72*(1 - U) + .1)*rand(Bunch), -2.1 - .5*U + G.z>
  }
#end

// The jug: salt glaze, blue bands.
#declare Glaze = finish { diffuse .7 specular .5 roughness .006 reflection { .015, .5 fresnel on } conserve_energy }
union {
  object { Turned(array[14] { <.9, 0>, <1.02, .1>, <1.30, .9>, <1.34, 1.5>, <1.02, 2.3>, <.66, 2.85>, <.62, 3.2>, <.76, 3.6>, <.74, 3.66>, <.68, 3.62>, <.55, 3.2>, <.58, 2.85>, <.9, 2.3>, <1.2, 1.5> }, 56, 64) }
  #local Last = <.70, 3.25, 0>;
  #for (I, 0, 30)
    #local T = I/30*pi;
    #local Here = <.68 + 1.02*sin(T)*(1 - .18*T) + .16*T, 3.25 - 1.42*(1 - cos(T))*.5, 0>;
    #if (I > 0) cone { Last, .135, Here, .135 } #end
    sphere { Here, .135 scale 1 }
    #local Last = Here;
  #end
  texture {
    pigment { gradient y
      pigment_map {
        [.0 granite color_map { [0 srgb <.66, .62, .54>] [1 srgb <.80, .77, .69>] } scale .6]
        [.395 granite color_map { [0 srgb <.66, .62, .54>] [1 srgb <.82, .79, .71>] } scale .6]
        [.398 srgb <.13, .20, .42>] [.412 srgb <.13, .20, .42>]
        [.415 granite color_map { [0 srgb <.66, .62, .54>] [1 srgb <.82, .79, .71>] } scale .6]
        [.425 srgb <.80, .77, .69>] [.428 srgb <.12, .19, .40>] [.475 srgb <.16, .25, .48>]
        [.478 granite color_map { [0 srgb <.68, .64, .56>] [1 srgb <.82, .79, .71>] } scale .6]
        [1 granite color_map { [0 srgb <.68, .64, .56>] [1 srgb <.84, .81, .73>] } scale .6] }
      turbulence .012 scale 4 }
    normal { average normal_map { [1 gradient y .05 sine_wave scale .09] [1 bumps .12 scale .35] } }
    finish { Glaze }
  }
  texture { pigment { spotted color_map { [.2 srgbt <.25, .17, .10, .1>] [.24 srgbt <.3, .2, .1, 1>] } scale .06 } finish { Glaze } }
  interior { ior 1.5 }
  rotate y*-18 translate <2.55, 0, 1.25>
}

// A tumbler of water.
merge {
  difference {
    cone { 0, .62, y*1.9, .78 }
    cone { y*.22, .57, y*1.95, .735 }
  }
  torus { .757, .024 translate y*1.9 }
  pigment { srgbt <.97, 1, .99, .98> }
  finish { diffuse 0 specular .7 roughness .002 reflection { 0, 1 fresnel on } conserve_energy }
  interior { ior 1.5 }
  translate <-3.35, 0, .75>
}
cone { y*.223, .568, y*1.25, .670
  pigment { srgbt <.93, .98, .98, .97> }
  finish { diffuse 0 specular .6 roughness .002 reflection { 0, 1 fresnel on } conserve_energy }
  interior { ior 1.33 }
  translate <-3.35, 0, .75>
}
